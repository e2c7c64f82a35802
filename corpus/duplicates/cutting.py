"""What was decided of the documents of a part, as cuts beside it, with an account of all that they take away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common.listed import describe
from corpus.duplicates.numbering import NumberedPart
from corpus.duplicates.state import EXACT, NEAR, NEAR_HELD_OUT, State
from corpus.sampling.account import REMOVED_EXAMPLES, Account
from corpus.sampling.cuts import CUTS, Cuts
from corpus.sampling.words import count_words

COPY, NEAR_COPY, OF_HELD_OUT = "duplicate", "near duplicate", "near copy of a held-out document"
MOSTLY, HELD_OUT_LINE, REPEATED = "mostly held-out text", "held-out line", "repeated line"
STEPS = ("duplicates", "near duplicates", "held-out text", "repeated lines")


@dataclass(frozen=True)
class Task:
    """One part."""

    part: NumberedPart
    folder: Path
    """Where it lies."""
    state: State
    first_line: int
    """Place of its first line in the array `lines`."""
    remove: bool
    max_share: float
    """Of the slice."""


@dataclass
class CutPart:
    """What is left of a part."""

    entry: dict[str, Any] | None = None
    """As the manifest lists it; None if nothing is left."""
    account: Account = field(default_factory=Account)
    found: dict[str, Counter[int]] = field(default_factory=dict)
    """`documents`, `lines` and `bytes` -> number of a set -> how many hold text of it."""


def cut_part(task: Task) -> CutPart:
    """Write the cuts of a part, if there are any, and return what they leave."""
    return _Cutting(task).result()


@dataclass
class _Lines:
    """Lines of documents of a part that are cut for one reason, each once, sorted."""

    documents: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @staticmethod
    def of(documents: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any], alive: NDArray[np.bool_]) -> _Lines:
        lines = np.stack([each.astype(np.int64) for each in (documents, starts, ends)], 1)
        return _Lines(*np.unique(lines[alive[documents]], axis=0).T)

    def joined(self, other: _Lines) -> _Lines:
        pairs = ((self.documents, other.documents), (self.starts, other.starts), (self.ends, other.ends))
        lines = np.stack([np.concatenate(pair) for pair in pairs], 1)
        return _Lines(*np.unique(lines, axis=0).T)

    def cuts(self, sizes: NDArray[np.uint32]) -> Cuts:
        """Return them as cuts; those that end a document take the line feed before them."""
        new = np.ones(len(self.documents), np.bool_)
        new[1:] = (self.documents[1:] != self.documents[:-1]) | (self.starts[1:] > self.ends[:-1])
        last = np.append(np.flatnonzero(new)[1:], len(new)) - 1 if len(new) else np.zeros(0, np.int64)
        documents, starts, ends = self.documents[new], self.starts[new], self.ends[last]
        starts = starts - ((ends == sizes[documents]) & (starts > 0))
        return Cuts(documents.astype(np.uint32), starts.astype(np.uint32), ends.astype(np.uint32))


class _Cutting:
    def __init__(self, task: Task) -> None:
        self._task, self._made = task, CutPart()
        prints = task.part.open()
        self._keys, self._found = prints.keys, prints.found
        self._sizes, self._words = self._keys["sizes"], self._keys["words"].copy()
        self._fates = task.state.array("fates")[task.part.first : task.part.end]
        self._alive = np.ones(len(self._sizes), np.bool_)
        self._texts = _Texts(task.folder / task.part.entry["name"])

    def result(self) -> CutPart:
        account, left = self._made.account, self._sizes.copy()
        self._drop(COPY, self._fates == EXACT)
        account.left_by(STEPS[0], left[self._alive], self._words[self._alive])
        self._drop(NEAR_COPY, self._fates == NEAR)
        account.left_by(STEPS[1], left[self._alive], self._words[self._alive])
        held_out = self._held_out()
        left = self._cut(HELD_OUT_LINE, held_out, left)
        account.left_by(STEPS[2], left[self._alive], self._words[self._alive])
        repeated = self._repeated(held_out)
        lines = held_out.joined(repeated)
        left = self._cut(REPEATED, repeated, left, lines)
        account.left_by(STEPS[3], left[self._alive], self._words[self._alive])
        self._write(lines, left)
        return self._made

    def _drop(self, reason: str, dropped: NDArray[np.bool_]) -> None:
        own = np.flatnonzero(dropped & self._alive)
        if len(own):
            account = self._made.account
            account.dropped[reason] += len(own)
            account.dropped_bytes[reason] += int(self._sizes[own].sum(dtype=np.int64))
            shown = own[np.argsort(self._keys["order"][own], kind="stable")[:REMOVED_EXAMPLES]]
            account.show(reason, self._texts.of(shown))
            self._alive[own] = False

    def _held_out(self) -> _Lines:
        """Count what is found of each set; drop what is mostly held-out text, and return the lines of the others."""
        if self._task.remove:
            self._drop(OF_HELD_OUT, self._fates == NEAR_HELD_OUT)
        empty = np.zeros(0, np.int64)
        if self._found is None:
            return _Lines(empty, empty, empty)
        documents, starts, ends, sets = (self._found[name] for name in ("documents", "starts", "ends", "sets"))
        there = self._alive[documents]
        for number in np.unique(sets[there]).tolist():
            own = np.flatnonzero(there & (sets == number))
            counts = {"documents": len(np.unique(documents[own])), "lines": len(own)}
            for what, count in (counts | {"bytes": int((ends[own] - starts[own]).sum(dtype=np.int64))}).items():
                self._made.found.setdefault(what, Counter())[number] += count
        if not self._task.remove:
            return _Lines(empty, empty, empty)
        lines = _Lines.of(documents, starts, ends, self._alive)
        cut = np.bincount(lines.documents, lines.ends - lines.starts, len(self._sizes))
        self._drop(MOSTLY, cut > self._task.max_share * self._sizes)
        return _Lines.of(documents, starts, ends, self._alive)

    def _repeated(self, held_out: _Lines) -> _Lines:
        """Return the lines that stand in too many documents, and are not cut already."""
        empty = np.zeros(0, np.int64)
        if "line_keys" not in self._keys:
            return _Lines(empty, empty, empty)
        first = self._task.first_line
        marked = np.flatnonzero(self._task.state.array("lines")[first : first + len(self._keys["line_keys"])])
        columns = [self._keys[f"line_{name}"][marked] for name in ("documents", "starts", "ends")]
        lines = _Lines.of(columns[0], columns[1], columns[2], self._alive)
        known = set(zip(held_out.documents.tolist(), held_out.starts.tolist(), strict=True))
        new = [place not in known for place in zip(lines.documents.tolist(), lines.starts.tolist(), strict=True)]
        return _Lines(lines.documents[new], lines.starts[new], lines.ends[new])

    def _cut(
        self, reason: str, lines: _Lines, left: NDArray[np.uint32], all_lines: _Lines | None = None
    ) -> NDArray[np.uint32]:
        """Count lines that are cut; return uint32[d], the bytes left with all lines that are cut so far."""
        own = np.unique(lines.documents)
        if not len(own):
            return left
        texts = dict(zip(own.tolist(), self._texts.of(own), strict=True))
        places = zip(lines.documents.tolist(), lines.starts.tolist(), lines.ends.tolist(), strict=True)
        self._made.account.cut(reason, len(own), [texts[document][start:end] for document, start, end in places])
        cuts = (all_lines or lines).cuts(self._sizes)
        left = left.copy()
        pieces = [cuts.within(document, document + 1).apply([texts[document]])[0][0] for document in own.tolist()]
        left[own] = [len(piece) if piece.strip() else 0 for piece in pieces]
        self._words[own] = count_words(pieces)
        self._alive[own[left[own] == 0]] = False
        return left

    def _write(self, lines: _Lines, left: NDArray[np.uint32]) -> None:
        """Write the cuts, count what is kept, and make the part's entry."""
        task, account = self._task, self._made.account
        entry = {name: value for name, value in task.part.entry.items() if name != CUTS}
        gone = np.flatnonzero(~self._alive)
        if len(gone) or len(lines.documents):
            kept = self._alive[lines.documents]
            partly = _Lines(lines.documents[kept], lines.starts[kept], lines.ends[kept]).cuts(self._sizes)
            documents = np.concatenate([gone.astype(np.uint32), partly.documents])
            starts = np.concatenate([np.zeros(len(gone), np.uint32), partly.starts])
            ends = np.concatenate([self._sizes[gone], partly.ends])
            order = np.lexsort((starts, documents))
            path = task.folder / f"{CUTS}-{Path(entry['name']).stem}.columns"
            Cuts(documents[order], starts[order], ends[order]).write(path)
            entry[CUTS] = describe(path)
        if self._alive.any():
            words, size = self._words[self._alive], int(left[self._alive].sum(dtype=np.int64))
            account.keep(task.part.split, words, size)
            counts = {"documents": len(words), "words": int(words.sum(dtype=np.int64)), "text_bytes": size}
            self._made.entry = entry | counts


class _Texts:
    """Texts of a part that are looked at again, without reading all of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, documents: Sequence[int] | NDArray[Any]) -> list[bytes]:
        """Return the texts of documents, given by their numbers in the part."""
        wanted = np.asarray(documents, np.int64)
        texts: dict[int, bytes] = {}
        with pq.ParquetFile(self._path, memory_map=True) as file:
            first = 0
            for group in range(file.num_row_groups):
                last = first + file.metadata.row_group(group).num_rows
                own = np.unique(wanted[(wanted >= first) & (wanted < last)])
                if len(own):
                    column = file.read_row_group(group, columns=["text"], use_threads=False)["text"].combine_chunks()
                    found = column.cast("large_binary").take(own - first).to_pylist()
                    texts |= dict(zip(own.tolist(), found, strict=True))
                first = last
        return [texts[number] for number in wanted.tolist()]
