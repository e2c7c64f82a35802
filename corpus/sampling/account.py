"""What became of the records of a part: counts, a few examples, and the files written.

Accounts of several parts add up in the order of the input, so that the sum does not depend on who counted what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from heapq import merge
from itertools import islice
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from corpus.sampling.documents import SPLITS
from corpus.sources.readers import Reject

MAX_EXAMPLES = 20
REMOVED_EXAMPLES = 3
"""Texts that are shown of those removed for one reason: those with the smallest hashes, whoever comes upon them."""
EXCERPT_CHARACTERS = 240
POWERS_OF_TEN = 10 ** np.arange(1, 10)
COUNTERS = (
    "dropped",
    "dropped_bytes",
    "rejected",
    "changed",
    "cut_bytes",
    "documents",
    "bytes",
    "words",
    "histogram",
    "histogram_before",
)
UNITS = ("documents", "bytes", "words")
READING = "reading"
"""What the first of the steps is called: it leaves the documents of the fraction as they were read."""
Utf8 = bytes
"""In `Account` the word `bytes` is a count."""


@dataclass(frozen=True, slots=True, order=True)
class Removed:
    """A text that was removed, as an example."""

    order: str
    """Hash of the text, hexadecimal: which texts are shown does not depend on who came upon them first."""
    excerpt: str
    detail: str = ""
    """The number that decided, where there is one."""


def removed(text: bytes, detail: str = "") -> Removed:
    """Return a text, in UTF-8, as an example of what was removed."""
    excerpt = text[: 4 * EXCERPT_CHARACTERS].decode(errors="ignore")[:EXCERPT_CHARACTERS]
    return Removed(xxhash.xxh3_64_hexdigest(text), excerpt, detail)


@dataclass
class Account:
    """What became of the records of some parts. Accounts add up with `add`."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Reason -> documents; `dropped_bytes` of UTF-8 text likewise."""
    dropped_bytes: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    """What was mended in place, or cut out -> documents, or places where that is what it says."""
    cut_bytes: Counter[str] = field(default_factory=Counter)
    """Reason -> bytes of UTF-8 that were cut out of documents which are kept."""
    removed: dict[str, list[Removed]] = field(default_factory=dict)
    """Reason -> examples of what was dropped or cut out."""
    steps: dict[str, Counter[str]] = field(default_factory=dict)
    """Step, in order -> documents, bytes and words that it left."""
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Reject] = field(default_factory=list)
    documents: Counter[str] = field(default_factory=Counter)
    """Split -> documents; `bytes` of UTF-8 text and whitespace-separated `words` likewise."""
    bytes: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    histogram: Counter[str] = field(default_factory=Counter)
    """Decimal digits of the number of words -> kept documents."""
    histogram_before: Counter[str] = field(default_factory=Counter)
    """The same of all documents in the fraction, before the first step."""
    files: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {split: [] for split in SPLITS})

    def add(self, other: Account, lines_before: int = 0) -> None:
        """Add the account of later records, whose lines are counted from one that has so many before it in its file."""
        self.read += other.read
        examples = [replace(example, line=example.line + lines_before) for example in other.examples]
        self.examples = (self.examples + examples)[:MAX_EXAMPLES]
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for reason, texts in other.removed.items():
            self.removed[reason] = list(islice(merge(self.removed.get(reason, []), texts), REMOVED_EXAMPLES))
        for step, left in other.steps.items():
            self.steps.setdefault(step, Counter()).update(left)
        for split in SPLITS:
            self.files[split] += other.files[split]

    def reject(self, reject: Reject) -> None:
        """Count a malformed record, and keep it as an example while there are few."""
        self.rejected[reject.reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(reject)

    def drop(self, reason: str, texts: Sequence[Utf8], details: Sequence[str] = ()) -> None:
        """Count documents that are dropped for a reason, given their texts, and keep a few as examples.

        `details` tell of each the number that decided.
        """
        self.dropped[reason] += len(texts)
        self.dropped_bytes[reason] += sum(map(len, texts))
        self.show(reason, texts, details)

    def cut(self, reason: str, documents: int, pieces: Sequence[Utf8]) -> None:
        """Count pieces that are cut out of so many documents which are kept."""
        self.changed[reason] += documents
        self.cut_bytes[reason] += sum(map(len, pieces))
        self.show(reason, pieces)

    def show(self, reason: str, texts: Sequence[Utf8], details: Sequence[str] = ()) -> None:
        """Keep a few texts as examples of what was removed for a reason."""
        shown = [removed(*each) for each in (zip(texts, details, strict=True) if details else zip(texts))]
        self.removed[reason] = sorted({*self.removed.get(reason, []), *shown})[:REMOVED_EXAMPLES]

    def left_by(self, step: str, sizes: NDArray[Any], words: NDArray[np.uint32]) -> None:
        """Count the documents that a step left, given the bytes and the words of each."""
        left = self.steps.setdefault(step, Counter())
        left.update(documents=len(sizes), bytes=int(sizes.sum(dtype=np.int64)), words=int(words.sum(dtype=np.int64)))

    def before(self, sizes: NDArray[Any], words: NDArray[np.uint32]) -> None:
        """Count the documents that the first step gets, given the bytes and the words of each."""
        self.left_by(READING, sizes, words)
        self.histogram_before.update(_by_digits(words))

    def keep(self, split: str, words: NDArray[np.uint32], text_bytes: int) -> None:
        """Count documents of a split that are kept, given the words of each and the bytes of them all."""
        self.documents[split] += len(words)
        self.bytes[split] += text_bytes
        self.words[split] += int(words.sum())
        self.histogram.update(_by_digits(words))

    def list_file(self, split: str, described: Mapping[str, Any]) -> None:
        """List the one file of a split that holds all documents counted in it; `described` is of `common.listed`."""
        counts = {"documents": self.documents[split], "words": self.words[split], "text_bytes": self.bytes[split]}
        self.files[split].append({**described, **counts})

    def record(self) -> dict[str, Any]:
        """Return the account as plain objects for JSON, which `from_record` takes."""
        counters = {name: dict(getattr(self, name)) for name in COUNTERS}
        examples = [asdict(example) for example in self.examples]
        told = {"steps": self._steps(), "removed": self._removed()}
        return {"read": self.read, "examples": examples, "files": self.files, **told, **counters}

    def _steps(self) -> list[dict[str, Any]]:
        return [{"step": step, **{unit: left[unit] for unit in UNITS}} for step, left in self.steps.items()]

    def _removed(self) -> dict[str, list[dict[str, str]]]:
        return {reason: [asdict(text) for text in texts] for reason, texts in self.removed.items()}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Account:
        """Return the account that `record` returned. Raises `KeyError` or `TypeError` for anything else."""
        examples = [Reject(**example) for example in record["examples"]]
        account = Account(read=record["read"], examples=examples, files=record["files"])
        for name in COUNTERS:
            getattr(account, name).update(record[name])
        for entry in record["steps"]:
            account.steps[entry["step"]] = Counter({unit: entry[unit] for unit in UNITS})
        for reason, texts in record["removed"].items():
            account.removed[reason] = [Removed(**text) for text in texts]
        return account

    def manifest(self) -> dict[str, Any]:
        """Return the account as the manifest of a source tells it: splits, what was left out, examples, lengths."""
        return {
            "splits": {
                split: {
                    "documents": self.documents[split],
                    "bytes": self.bytes[split],
                    "words": self.words[split],
                    "files": self.files[split],
                }
                for split in SPLITS
            },
            "read": self.read,
            "steps": self._steps(),
            "dropped": dict(self.dropped),
            "dropped_bytes": dict(self.dropped_bytes),
            "changed": dict(self.changed),
            "cut_bytes": dict(self.cut_bytes),
            "removed": self._removed(),
            "rejected": dict(self.rejected),
            "examples": [asdict(reject) for reject in self.examples],
            "word_histogram": _listed(self.histogram),
            "word_histogram_before": _listed(self.histogram_before),
        }


def _by_digits(words: NDArray[np.uint32]) -> dict[str, int]:
    """Return decimal digits of a number of words -> documents with so many."""
    counts = np.bincount(np.searchsorted(POWERS_OF_TEN, words, "right")).tolist()
    return {str(place + 1): count for place, count in enumerate(counts) if count}


def _listed(histogram: Mapping[str, int]) -> list[int]:
    longest = max(map(int, histogram), default=0)
    return [histogram.get(str(digits), 0) for digits in range(1, longest + 1)]
