"""What is uploaded: the files of a model with its card, and those of a checkpoint that its training has kept.

Nothing but the files that are named here ever leaves: weights as safetensors, configuration, tokenizer, card. A
checkpoint's moments and its state stay, for who loads an encoder has no use for them, and they are twice its size.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open

from common.errors import UserError
from common.files import atomic_file, sha256_of
from model.history.store import complete_checkpoints, shards_of, step_of
from recipe.checks import suggestion
from workflow.report.card_metadata import example_line
from workflow.report.results import Results

WEIGHTS, CARD, CONFIG = "model.safetensors", "README.md", "config.json"
TOKENIZER = ("tokenizer.json", "special_tokens_map.json", "tokenizer_config.json")
NAMES = (WEIGHTS, *TOKENIZER, CARD, CONFIG)
"""Files of a part, in the order in which they are sent: without config.json a directory is no model."""
ALL = "all"
"""Stands for every checkpoint that is kept."""
WEIGHT = "weights/"
"""What the names of weights begin with in the shards of a checkpoint."""
_STEP = re.compile(r"(?:step-)?0*(\d+)")


@dataclass(frozen=True)
class File:
    """A file that is uploaded."""

    name: str
    """In the place where it goes."""
    path: Path
    """Here."""

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size

    @cached_property
    def sha256(self) -> str:
        """Of its content, hexadecimal."""
        return sha256_of(self.path)

    @cached_property
    def git_id(self) -> str:
        """What git calls its content: SHA-1 of a header and the content."""
        content = self.path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Part(NamedTuple):
    """Files that go together."""

    checkpoint: str | None
    """Name of the checkpoint, None for the model itself."""
    files: list[File]


class Kept(NamedTuple):
    """A checkpoint of a run's lineage."""

    directory: Path
    phase: str
    bytes: int
    """Of its weights."""

    @property
    def name(self) -> str:
        """As it is called where it is published."""
        return self.directory.name


def model_part(results: Results, run: str, where: str, staged: Path) -> Part:
    """Return the model of a run, and its card whose example loads it from where it is published.

    Args:
        results: what is below `results`.
        run: its name.
        where: that line of the example.
        staged: folder for the card.

    Raises:
        UserError: a file is missing, or the card has no such line.
    """
    folder = results.folder / "models" / run
    if absent := [name for name in NAMES if not (folder / name).is_file()]:
        raise UserError(f"{folder} has no {absent[0]}; alasin run makes it.")
    card = (folder / CARD).read_text(encoding="utf-8")
    if (line := example_line(run)) not in card:
        raise UserError(f"{folder / CARD} is not the card that Alasin writes now; delete it, and alasin run makes it.")
    with atomic_file(staged / CARD, "w") as stream:
        stream.write(card.replace(line, where))
    return Part(None, [File(name, (staged if name == CARD else folder) / name) for name in NAMES])


def kept_checkpoints(results: Results, run: str) -> list[Kept]:
    """Return the checkpoints that the phases of a run have kept, in the order of its steps."""
    found = {}
    for owner, phase in results.lineage(run).lineage:
        for directory in complete_checkpoints(results.folder / "runs" / owner / phase / "checkpoints"):
            found[step_of(directory)] = Kept(directory, phase, _weight_bytes(directory))
    return [found[step] for step in sorted(found)]


def _weight_bytes(directory: Path) -> int:
    sizes: list[int] = []
    for shard in shards_of(directory):
        with safe_open(shard, "numpy") as tensors:
            sizes += [prod(tensors.get_slice(name).get_shape()) for name in tensors.keys() if name.startswith(WEIGHT)]  # noqa: SIM118
    return 4 * sum(sizes)


def chosen(names: Sequence[str], kept: Sequence[Kept]) -> list[Kept]:
    """Return the checkpoints that a person names, `step-1200`, `1200` or `all`; raises `UserError` for one not kept."""
    if ALL in names:
        return list(kept)
    by_step = {step_of(one.directory): one for one in kept}
    steps = []
    for name in names:
        found = _STEP.fullmatch(name)
        if not found or int(found[1]) not in by_step:
            known = [f"step-{step}" for step in by_step]
            raise UserError(f"no checkpoint {name} of this run is kept{suggestion(name, known)}")
        steps.append(int(found[1]))
    return [by_step[step] for step in sorted(set(steps))]
