"""A recipe that says only what is otherwise than in another one, as an experiment does.

Of `sources`, `tokenizers`, `models`, `mixtures` and `phases` the names are put together, and one that both have is the
extending recipe's; of `evaluation` keys are put together at any depth, and one that is given as nothing is taken away.
Everything else that it names is its own from one end to the other, `runs` above all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from recipe.yaml_files import read_yaml

EXTENDS = "extends"
"""Key of the path of the other recipe, relative to the file that names it."""
TOGETHER = ("sources", "tokenizers", "models", "mixtures", "phases")
DEEPLY = "evaluation"


def extended(config: Mapping[str, Any], where: str, folder: Path) -> Mapping[str, Any]:
    """Return a recipe with all that it takes from the one it extends, which may extend another.

    Args:
        config: the recipe as YAML gives it.
        where: name of its file, for the messages.
        folder: to which the path is relative.

    Raises:
        UserError: the other one is absent, is no recipe, or extends this one.
    """
    seen: list[Path] = []
    while EXTENDS in config:
        named = config[EXTENDS]
        if not isinstance(named, str):
            raise UserError(f"{where}: {EXTENDS}: needs the path of a recipe.")
        path = (folder / named).resolve()
        if path in seen:
            raise UserError(f"{where}: {EXTENDS}: {named} extends itself; name another recipe.")
        if not path.is_file():
            raise UserError(f"{where}: {EXTENDS}: {path} does not exist; the path is relative to this recipe.")
        seen.append(path)
        other = read_yaml(path)
        if not isinstance(other, Mapping):
            raise UserError(f"{where}: {EXTENDS}: {path} holds no keys; name a recipe.")
        own = {key: value for key, value in config.items() if key != EXTENDS}
        config, folder = _together(other, own), path.parent
    if seen and DEEPLY in config:
        # Only now: what is taken away may stand in any of those that were extended.
        config = {**config, DEEPLY: _without_nothing(config[DEEPLY])}
    return config


def folder_of(paths: Iterable[Path]) -> Path:
    """Return the folder of the file among some that extends a recipe, or the working directory if none does.

    Raises:
        UserError: a file is absent or no YAML.
    """
    contents = {path: read_yaml(path) for path in paths}
    return next(
        (path.parent for path, content in contents.items() if isinstance(content, Mapping) and EXTENDS in content),
        Path(),
    )


def _together(other: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    found = {**other, **own}
    for key in TOGETHER:
        parts = other.get(key), own.get(key)
        if all(isinstance(part, Mapping) for part in parts):
            found[key] = {**parts[0], **parts[1]}  # type: ignore[dict-item]  # both are mappings
    if DEEPLY in other and DEEPLY in own:
        found[DEEPLY] = _deeply(other[DEEPLY], own[DEEPLY])
    if EXTENDS in other:
        found[EXTENDS] = other[EXTENDS]
    return found


def _deeply(other: Any, own: Any) -> Any:
    if not isinstance(other, Mapping) or not isinstance(own, Mapping):
        return own
    return {**other, **{key: _deeply(other.get(key), value) for key, value in own.items()}}


def _without_nothing(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    return {key: _without_nothing(value) for key, value in part.items() if value is not None}
