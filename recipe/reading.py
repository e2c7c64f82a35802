"""Reading a recipe: the only reader of the YAML in `config/`.

A recipe says what is trained and from what; it never names a partition, a path of the cluster, or a number of devices.
Reading has three steps, and each tells all the mistakes it finds: YAML to a mapping, the mapping to the types of
`recipe.schema`, the rules of `recipe.checks`. Everything a stage needs of the recipe reaches it as a slice
(`recipe.slices`).
"""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from textwrap import shorten
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from common.errors import UserError
from common.files import each_once, matching_files
from recipe.checks import problems, suggestion
from recipe.extending import extended
from recipe.hub import is_on_hub
from recipe.schema import Documents, Recipe
from recipe.sweeps import SweepError, spelt_out
from recipe.types import LANGUAGE, NAME, TOKENIZER
from recipe.yaml_files import read_yaml

Location = tuple[int | str, ...]


_FORMS = {
    NAME: "is no name; use small letters, digits and hyphens, as in wikipedia-fi.",
    LANGUAGE: "is no language; give an ISO 639 code (fi), a pair of them (en-fi), or code.",
    TOKENIZER: "is no tokenizer; give a path or a name on the hub, of letters, digits and . _ - / ~ alone.",
}
_WANTED = {
    "int_type": "needs a whole number",
    "int_parsing": "needs a whole number",
    "int_from_float": "needs a whole number",
    "float_type": "needs a number",
    "float_parsing": "needs a number",
    "finite_number": "needs a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_type": "needs text (in quotes, if YAML reads it as something else)",
    "literal_error": "must be one of {expected}",
    "list_type": "needs a list",
    "dict_type": "needs keys with values below it",
    "model_type": "needs keys with values below it",
    "too_short": "must not be empty",
}
_RENAMED = {"warmup_tokens": "is no key any more, a warm-up is counted in steps; give warmup_steps."}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file.

    Raises:
        UserError: one line for each mistake, with the file and the key (or the line, where it is not YAML).
    """
    return load_recipe(read_yaml(path), str(path), path.parent)


def load_recipe(config: Any, where: str, folder: Path = Path()) -> Recipe:
    """Turn a mapping, such as Snakemake's `config`, into a recipe.

    Args:
        config: the whole recipe; values as YAML gives them.
        where: name of the file or files it was read from, for the messages.
        folder: to which a recipe that it extends is relative.

    Raises:
        UserError: one line for each mistake, `file: key: sentence`.
    """
    if not isinstance(config, Mapping):
        raise UserError(
            f"{where}: holds no keys; a recipe begins with title, sources, tokenizers (see config/README.md)."
        )
    try:
        recipe = Recipe.model_validate(extended(config, where, folder))
    except ValidationError as error:
        found = [_plain(details) for details in error.errors(include_url=False)]
    else:
        try:
            recipe = spelt_out(recipe)
            found = problems(recipe)
        except SweepError as error:
            found = list(error.problems)
        if not found:
            return recipe
    # What was given is quoted in the sentences and may hold line breaks.
    raise UserError("\n".join(" ".join(f"{where}: {key}: {sentence}".split()) for key, sentence in found))


def expand_files(source: Documents) -> list[str]:
    """Return the files of a source that are named here, not on the hub: sorted, each once.

    A pattern without wildcard stays, whether it exists or not.
    """
    return sorted(each_once(_named(source))[0])


def _named(source: Documents) -> list[str]:
    """Return the paths that a source names in the order of sampling: of a file's names the first counts."""
    return [
        path
        for pattern in source.files
        if not is_on_hub(pattern)
        for path in (matching_files(pattern) if glob.has_magic(pattern) else [pattern])
    ]


def repeated_files(recipe: Recipe) -> list[str]:
    """Return one sentence for each path of a source that is a file of it by another name."""
    return [
        f"sources.{name}.files: {path} is {first} by another name; it is read once."
        for name, source in recipe.sources.items()
        for path, first in each_once(_named(source))[1].items()
    ]


def missing_files(recipe: Recipe, produced: set[str], finished: Collection[str] = ()) -> list[str]:
    """Return one sentence for each pattern of a source, or of an evaluation set, that no file matches.

    Args:
        recipe: the recipe whose sources to look for below the working directory.
        produced: paths that rules of the workflow make, which need not exist yet.
        finished: sources that need their files no more.
    """
    return [
        f"sources.{name}.files[{index}]: no file matches {pattern} in {Path.cwd()}; put the text there or mend the "
        "path."
        for name, source in recipe.sources.items()
        for index, pattern in enumerate(source.files)
        if name not in finished and not is_on_hub(pattern)
        if not matching_files(pattern) and not fnmatch.filter(produced, pattern)
    ] + _missing_sets(recipe)


def _missing_sets(recipe: Recipe) -> list[str]:
    return [
        f"contamination.sets.{name}.files[{place}]: no file matches {pattern} in {Path.cwd()}; put the set there or "
        "mend the path."
        for name, content in recipe.contamination.sets.items()
        for place, pattern in enumerate(content.files)
        if not matching_files(pattern)
    ]


def unusable_files(recipe: Recipe) -> list[str]:
    """Return one sentence for each file of a source that Snakemake would take for another, or cannot print."""
    found = []
    for name, source in recipe.sources.items():
        for file in filter(re.compile("[{}\ud800-\udfff]").search, expand_files(source)):
            what = "bytes that are no UTF-8" if re.search("[\ud800-\udfff]", file) else "braces"
            found.append(
                f"sources.{name}.files: the name of {file!r} holds {what}; rename it, Snakemake cannot read it."
            )
    return found


def _plain(details: ErrorDetails) -> tuple[str, str]:
    """Turn one of pydantic's errors into (key path, sentence)."""
    location, kind, given = details["loc"], details["type"], details["input"]
    context = details.get("ctx", {})
    if location[-1] == "[key]":  # pydantic tells of a key of a mapping here, of its value otherwise
        location = (*location[:-2], str(given))
    key = _key_path(location)
    if kind == "missing":
        return key, "is missing."
    if kind == "extra_forbidden" and location[-1] in _RENAMED:
        return key, _RENAMED[str(location[-1])]
    if kind == "extra_forbidden":
        return key, f"is no key of a recipe here{suggestion(str(location[-1]), _keys_at(location[:-1]))}"
    if kind == "value_error":
        return key, f"{context['error']}."
    if kind == "string_pattern_mismatch":
        return key, f"{given} {_FORMS[context['pattern']]}"
    return key, _WANTED.get(kind, details["msg"]).format(**context) + _but(given)


def _but(given: Any) -> str:
    """Return the end of a sentence that says what was given, where that is short enough to help."""
    if given is None:
        return ", but nothing is there."
    if isinstance(given, dict | list):
        return "."
    return f", but is {shorten(str(given), 60)}."


def _key_path(location: Location) -> str:
    """Return a place as a user writes it: `phases.stable.stages[0].batch`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _keys_at(location: Location) -> list[str]:
    """Return the keys that the part of a recipe at `location` may have."""
    part: Any = Recipe
    for step in location:
        if isinstance(part, type) and issubclass(part, BaseModel):
            part = {field.alias or name: field.annotation for name, field in part.model_fields.items()}[str(step)]
        else:
            part = get_args(part)[-1]  # what a dict or a list holds
        if get_origin(part) in (Annotated, UnionType):  # of `X | None` X
            part = get_args(part)[0]
    return [field.alias or name for name, field in part.model_fields.items()]
