"""`alasin init`: a recipe to begin from, for a person's own files."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from common.files import atomic_file, matching_files
from recipe.types import LANGUAGE
from workflow.cli.parser import Parser
from workflow.cli.place import program
from workflow.cli.schema import recipe_schema

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_EXAMPLE = "data/*.jsonl"

_SCHEMA = "recipe.schema.json"

_TEMPLATE = """\
# yaml-language-server: $schema={schema}
#
# A recipe to begin from: {what}. Editors that know the line above complete and explain every key;
# config/README.md of Alasin explains them, too. After a change:
#   {check}

title: My first encoder

# Text, one source for each origin. A document is a line of JSON, {{"text": "..."}}, or a record of Parquet. Paths are
# relative to the directory that Snakemake works in, or absolute. The language is an ISO 639 code. held_out is the share
# of the documents kept for validation, and again for test.
sources:
{sources}
# How often each source is read, relative to the others: 2 against 1 reads its text twice as often.
mixtures:
  all:
    factors:
{factors}
# Entries of the vocabulary, and how much text it is learnt from.
tokenizers:
  mine:
    vocabulary: 6_000
    sample_bytes: 20_000_000
    mixture: all

# A small encoder, for a first look on any machine. ModernBERT base has 22 layers, hidden 768, heads 12,
# intermediate 1152.
models:
  small:
    tokenizer: mine
    layers: 4
    hidden: 128
    heads: 4
    intermediate: 192

# How it is trained. Tokens are counted in slots of packed rows; 5e6 take minutes on a laptop with this model.
phases:
  stable:
    stages:
      - length: 256
        tokens: 5e6
        batch: {{tokens: 8_192}}
        learning_rate: {{peak: 1e-3, warmup_steps: 60}}
        rope_theta: 10_000
        mixture: all
  # The rate falls to nothing. A better mixture for the end would stand here.
  annealing:
    stages:
      - length: 256
        tokens: 1e6
        batch: {{tokens: 8_192}}
        learning_rate: {{peak: 1e-3, shape: 1-sqrt}}
        rope_theta: 10_000
        mixture: all

# A run is a way through phases and ends in one model: results/models/first. Another run may branch off it.
runs:
  first:
    model: small
    phases: [stable, annealing]

# Held-out loss is measured at these row lengths.
evaluation:
  lengths: [256]
"""


def main() -> None:
    """Write a recipe, and tell what to do next."""
    parser = Parser(
        prog="alasin init",
        description="Write DIRECTORY/recipe.yaml, a commented recipe to begin from, and the schema by which editors "
        "complete it. Nothing is overwritten.",
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="where to work; made if it is not there")
    parser.add_argument(
        "files",
        nargs="*",
        default=[],
        metavar="FILE",
        help=f"text ({' '.join(SUFFIXES)}); each becomes a source, and so does a pattern in quotes: 'news/*.jsonl'",
    )
    parser.add_argument("--language", help="of the files, an ISO 639 code such as fi; mend it where files differ")
    options = parser.parse_args()
    directory: Path = options.directory
    path = directory / "recipe.yaml"
    if path.exists():
        raise UserError(f"{path} is there already and stays as it is; give another directory, or edit it.")
    language = _language(options.language, options.files)
    where = "" if directory.resolve() == Path.cwd() else f" --directory {shlex.quote(str(directory))}"
    check = f"{program()} check {shlex.quote(str(path))}{where}"
    text = recipe_text(directory, options.files, language, check)
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / _SCHEMA, recipe_schema())
    _write(path, text)
    print(f"{path} is written. Look at it, then:\n\n  {check}\n  {program()} run {shlex.quote(str(path))}{where}")


def _write(path: Path, text: str) -> None:
    if not path.exists():
        with atomic_file(path, "w") as stream:
            stream.write(text)


def _language(language: str | None, files: Sequence[str]) -> str:
    if language is None:
        if files:
            raise UserError("say which language the files are in: --language fi, or another ISO 639 code.")
        return "fi"
    if not re.fullmatch(LANGUAGE, language):
        raise UserError(f"--language {language} is no language; give an ISO 639 code (fi), a pair (en-fi), or code.")
    return language


def recipe_text(directory: Path, files: Sequence[str], language: str, check: str) -> str:
    """Return the recipe for `files`, each a path or a pattern relative to here, as it will stand in `directory`.

    Raises:
        UserError: if one matches nothing, or is of a format that cannot be read.
    """
    patterns = [_usable(file, directory) for file in files] or [_EXAMPLE]
    names = _names(patterns)
    sources = "".join(
        f"  {name}:\n    language: {language}\n    files: [{json.dumps(pattern, ensure_ascii=False)}]\n"
        "    held_out: 0.05\n"
        for name, pattern in zip(names, patterns, strict=True)
    )
    factors = "".join(f"      {name}: 1\n" for name in names)
    what = "the text is yours" if files else f"put your text into {_EXAMPLE} or mend `files`"
    return _TEMPLATE.format(schema=_SCHEMA, what=what, check=check, sources=sources, factors=factors)


def _usable(file: str, directory: Path) -> str:
    """Return a path or pattern as it will stand in the recipe: relative to the directory if below it, else absolute."""
    found = matching_files(file)
    if not found:
        raise UserError(f"no file matches {file}; mend the path.")
    if wrong := [name for name in found if not name.endswith(SUFFIXES)]:
        raise UserError(
            f"{wrong[0]} cannot be read: text comes as {', '.join(SUFFIXES)}, a document a line or record; for a "
            "directory give a pattern in quotes, such as 'news/*.jsonl'."
        )
    absolute = Path.cwd() / file
    base = directory.resolve()
    return str(absolute.relative_to(base)) if absolute.is_relative_to(base) else str(absolute)


def _names(patterns: Sequence[str]) -> list[str]:
    """Return a name for each source, made of what a person would call the file."""
    names: list[str] = []
    for pattern in patterns:
        path = Path(pattern)
        stem = path.name.partition(".")[0]
        words = re.findall("[a-z0-9]+", (path.parent.name if set(stem) & set("*?[") else stem).lower())
        name = "-".join(words) or "text"
        taken = sum(other == name or re.fullmatch(rf"{name}-\d+", other) is not None for other in names)
        names.append(f"{name}-{taken + 1}" if taken else name)
    return names
