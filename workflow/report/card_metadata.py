"""The front matter of a model card: what the Hugging Face Hub reads of it.

The keys are those of https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from recipe.languages import ISO_639_3
from recipe.publish import Publish
from workflow.report.results import FillMask

CODE = "code"
"""What both a recipe and the hub call text that programs are written in."""
_ISO_639_1 = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv
    ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne
    ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st
    su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
TWO_LETTERS = frozenset(_ISO_639_1.split())
"""ISO 639-1."""


def front_matter(
    languages: Iterable[str],
    publish: Publish,
    datasets: Sequence[str],
    fill_mask: Iterable[FillMask],
    measured: Sequence[Mapping[str, Any]],
) -> str:
    """Return the Hub's metadata as YAML.

    Without a licence it is `other`: what the weights may be used for depends on the sources, which the card lists.

    Args:
        languages: as the recipe calls them; of a pair both are named.
        publish: the licence.
        datasets: those on the hub that it was trained on.
        fill_mask: sentences for the page to try.
        measured: content of `model-index`; may be empty.
    """
    metadata: dict[str, Any] = {
        "language": hub_languages(languages),
        **licence(publish),
        "library_name": "transformers",
        "pipeline_tag": "fill-mask",
        "mask_token": "[MASK]",
        "tags": ["modernbert", "masked-language-modeling", "alasin"],
        "datasets": list(datasets),
        "widget": [{"text": row.prompt} for row in fill_mask],
        "model-index": list(measured),
    }
    return as_yaml({key: value for key, value in metadata.items() if value})


def example_line(run: str) -> str:
    """Return the line of the card's first example that says where the model lies; `alasin publish` replaces it."""
    return f'directory = "results/models/{run}"  # where this card lies'


def as_yaml(metadata: Mapping[str, Any]) -> str:
    """Return metadata as the text between a card's two lines of dashes."""
    return yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=1000)


def licence(publish: Publish) -> dict[str, str]:
    """Return the keys of the licence."""
    if publish.license is None:
        return {"license": "other", "license_name": "see-training-data"}
    return {name: value for name, value in publish if value}


def hub_languages(languages: Iterable[str]) -> list[str]:
    """Return the languages as the hub takes them, sorted: ISO 639-1 or 639-3, or `code`; others it would refuse."""
    parts = {part for language in languages for part in ([CODE] if language == CODE else language.split("-"))}
    codes = {part if part in TWO_LETTERS else ISO_639_3.get(part, part) for part in parts}
    return sorted(code for code in codes if code in TWO_LETTERS or len(code) == 3 or code == CODE)
