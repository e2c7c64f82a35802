"""A recipe that extends another: what is put together, what is its own, and mistakes told with the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from recipe.extending import folder_of
from recipe.reading import load_recipe, read_recipe

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"
MORE: dict[str, Any] = {
    "extends": str(DEMO),
    "title": "More",
    "mixtures": {"other": {"factors": {"udhr-fi": 1}}},
    "phases": {
        "stable": {
            "stages": [
                {
                    **{"length": 64, "tokens": 10_000, "batch": {"tokens": 640}, "learning_rate": {"peak": 1e-3}},
                    **{"rope_theta": 10_000, "mixture": "other"},
                }
            ]
        }
    },
    "runs": {"mine": {"model": "small", "phases": ["stable"]}},
    "evaluation": {
        **{"lengths": [64], "speed_lengths": None, "test": None, "retrieval": None},
        "understanding": {"runs": ["mine"], "tasks": {"topic": None}},
    },
}


def write(path: Path, **content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_names_are_put_together_and_runs_are_its_own(tmp_path: Path) -> None:
    demo, more = read_recipe(DEMO), read_recipe(write(tmp_path / "more.yaml", **MORE))
    assert list(more.runs) == ["mine"]
    assert (more.title, more.seed, more.sources) == ("More", demo.seed, demo.sources)
    assert set(more.mixtures) == {*demo.mixtures, "other"}
    assert set(more.phases) == set(demo.phases)
    assert more.phases["stable"].stages[0].mixture == "other"
    assert more.evaluation.lengths == [64]
    assert more.evaluation.prompts == demo.evaluation.prompts
    assert not more.evaluation.retrieval.tasks
    assert list(more.evaluation.understanding.tasks) == ["word-language"]
    assert more.evaluation.understanding.seeds == demo.evaluation.understanding.seeds


def test_one_that_extends_one_that_extends_is_relative_to_each(tmp_path: Path) -> None:
    write(tmp_path / "a" / "first.yaml", **MORE)
    second = write(tmp_path / "b" / "second.yaml", extends="../a/first.yaml", title="Second")
    found = read_recipe(second)
    assert (found.title, list(found.runs)) == ("Second", ["mine"])
    assert load_recipe(yaml.safe_load(second.read_text()), "here", folder_of([DEMO, second])) == found


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("gone.yaml", "gone.yaml does not exist; the path is relative to this recipe."),
        ("mine.yaml", "mine.yaml extends itself; name another recipe."),
        ("empty.yaml", "empty.yaml holds no keys; name a recipe."),
        (["mine.yaml"], "needs the path of a recipe."),
    ],
)
def test_what_cannot_be_extended_is_told_with_the_key(tmp_path: Path, named: Any, sentence: str) -> None:
    (tmp_path / "empty.yaml").touch()
    mine = write(tmp_path / "mine.yaml", **MORE | {"extends": named})
    with pytest.raises(UserError, match=r"mine.yaml: extends: ") as told:
        read_recipe(mine)
    assert sentence in str(told.value)


def test_a_mistake_in_the_other_recipe_is_told_too(tmp_path: Path) -> None:
    write(tmp_path / "wrong.yaml", **MORE | {"models": {"small": {"layers": 0}}})
    with pytest.raises(UserError, match=r"models.small"):
        read_recipe(write(tmp_path / "mine.yaml", extends="wrong.yaml", title="Mine"))
