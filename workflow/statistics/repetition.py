"""What runs draw of each source through all their phases: tokens, and epochs, how often its text is read.

Rows are counted exactly (`model.history.drawing`); a row counts as so many tokens as its set has a row on average. An
epoch of a source is as many ids as its training split has. Where a mixture draws by length, the documents of a range of
words are read more or less often than the source as a whole, and that is told besides.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from corpus.rows.packing import SPECIALS
from model.history.drawing import Drawn, draw
from model.history.plan import blends_of
from model.history.position import DataPosition
from recipe.needs import OwnedPhase
from recipe.schedule import stage_rows
from recipe.slices.types import PhaseSlice

Words = tuple[int, int | None]
"""Fewest words of a document, and words that are too many or none."""
ALL: Words = (0, None)
"""All documents."""
Indexes = Mapping[tuple[str, str], Path]
"""(source, rowset) -> index of its rows."""


@dataclass
class Read:
    """How much of a source is read. Reads of several phases add up with `add`."""

    tokens: float = 0.0
    """[CLS] and [SEP] of each piece counted, as checkpoints count them."""
    epochs: float = 0.0
    """Ids read, by those of the training split."""
    by_words: dict[Words, list[float]] = field(default_factory=dict)
    """Range of words -> tokens, and how often its documents are read as such."""

    def add(self, other: Read) -> None:
        """Add what is read besides."""
        self.tokens += other.tokens
        self.epochs += other.epochs
        for words, (tokens, epochs) in other.by_words.items():
            own = self.by_words.setdefault(words, [0.0, 0.0])
            own[0] += tokens
            own[1] += epochs

    def most(self) -> tuple[float, Words]:
        """Return how often those documents are read that are read most, and their range of words."""
        read = {
            words: sum(epochs for others, (_, epochs) in self.by_words.items() if _within(words, others))
            for words in self.by_words
        }
        return max(((epochs, words) for words, epochs in read.items()), key=lambda one: one[0])

    def told(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        ranges = [
            {"min_words": words[0], "max_words": words[1], "tokens": round(tokens), "epochs": epochs}
            for words, (tokens, epochs) in self.by_words.items()
            if words != ALL
        ]
        return {"tokens": round(self.tokens), "epochs": self.epochs} | ({"words": ranges} if ranges else {})


Reads = dict[str, Read]
"""By source."""


def read_by_phases(
    runs: Mapping[str, Sequence[OwnedPhase]],
    phases: Mapping[OwnedPhase, PhaseSlice],
    indexes: Mapping[OwnedPhase, Indexes],
) -> dict[OwnedPhase, Reads]:
    """Return what each phase reads of each source; a phase that runs share is counted once.

    Args:
        runs: run -> its way, from the first phase on.
        phases: the slice of each phase of any way.
        indexes: of the rows of each.

    Raises:
        UserError: an index is absent or damaged, or a stage has nothing to draw from.
    """
    ends: dict[OwnedPhase, DataPosition] = {}
    read: dict[OwnedPhase, Reads] = {}
    known: dict[Hashable, tuple[Reads, DataPosition]] = {}
    for way in runs.values():
        start = DataPosition()
        for phase in way:
            if phase not in ends:
                asked = _asked(phases[phase], start)
                if asked not in known:
                    drawn, end = draw(phases[phase], blends_of(phases[phase], indexes[phase]), start)
                    known[asked] = _reads(drawn), end
                read[phase], ends[phase] = known[asked]
            start = ends[phase]
    return read


def read_by_runs(
    runs: Mapping[str, Sequence[OwnedPhase]], phases: Mapping[OwnedPhase, Reads]
) -> dict[str, dict[str, Read]]:
    """Return what each run reads of each source, through all phases of its way."""
    found: dict[str, dict[str, Read]] = {}
    for run, way in runs.items():
        own = found.setdefault(run, {})
        for phase in way:
            for source, read in phases[phase].items():
                own.setdefault(source, Read()).add(read)
    return found


def in_words(words: Words) -> str:
    """Return a range of words for a reader."""
    least, too_many = words
    if too_many is None:
        return f"{least:,} words or more" if least else "any length"
    return f"{least:,} to {too_many - 1:,} words" if least else f"fewer than {too_many:,} words"


def _reads(drawn: Sequence[Drawn]) -> Reads:
    reads: Reads = {}
    for one in drawn:
        index = one.part.content
        share = one.rows / index["rows"]
        tokens, ids = share * index["tokens"], share * (index["tokens"] - SPECIALS * index["pieces"])
        words = (index["min_words"], index["max_words"])
        part = Read(tokens, ids / index["split_ids"], {words: [tokens, share]})
        reads.setdefault(one.part.component.source, Read()).add(part)
    return reads


def _asked(content: PhaseSlice, start: DataPosition) -> Hashable:
    """Return what decides what a phase draws: models of several sizes often read the same."""
    stages = [(stage_rows(stage), tuple(stage.skip_rows), tuple(stage.components)) for stage in content.stages]
    return content.tokenizer, content.seed, json.dumps(asdict(start)), *stages


def _within(words: Words, others: Words) -> bool:
    """Return whether a range of words lies in another one."""
    return others[0] <= words[0] and (words[1] or inf) <= (others[1] or inf)
