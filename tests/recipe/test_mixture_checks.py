"""Shares of languages in a mixture: each language of it has one, and no other; the shares reach every component."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from common.errors import UserError
from recipe.reading import load_recipe
from recipe.schema import Recipe
from recipe.slices.making import phase_slice
from tests.recipe.test_sweeps import ONE, SMALL


def recipe(**shares: Any) -> Recipe:
    content = copy.deepcopy(SMALL) | {"runs": {"one": ONE}}
    content["sources"]["c"] = content["sources"]["a"] | {"language": "fi"}
    content["mixtures"]["all"] = {"factors": {"a": 1, "b": 2, "c": 1}, "language_shares": shares}
    return load_recipe(content, "here")


def test_every_component_has_the_share_of_its_language() -> None:
    (stage,) = phase_slice(recipe(en="0.25", fi=0.75), "one", "stable").stages
    assert [(part.source, part.language_share) for part in stage.components] == [("a", 0.25), ("b", 0.25), ("c", 0.75)]


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"en": 1}, "mixtures.all.language_shares: says nothing of fi; give each language of the mixture one."),
        (
            {"en": 0.5, "fi": 0.25, "sv": 0.25},
            "mixtures.all.language_shares.sv: no source of the mixture is in sv; its languages are: en, fi.",
        ),
        ({"en": 0, "fi": 1}, "mixtures.all.language_shares.en: "),
        ({"English": 1}, "mixtures.all.language_shares.English: English is no language"),
    ],
)
def test_a_share_that_cannot_be_is_told(shares: dict[str, float], told: str) -> None:
    with pytest.raises(UserError) as error:
        recipe(**shares)
    assert told in str(error.value)
