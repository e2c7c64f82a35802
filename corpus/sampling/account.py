"""What became of the records of a part: counts, a few examples, and the files written.

Accounts of several parts add up in the order of the input, so that the sum does not depend on who counted what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.sampling.documents import SPLITS
from corpus.sources.readers import Reject

MAX_EXAMPLES = 20
POWERS_OF_TEN = 10 ** np.arange(1, 10)
COUNTERS = ("dropped", "rejected", "documents", "bytes", "words", "histogram")


@dataclass
class Account:
    """What became of the records of some parts. Accounts add up with `add`."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Reject] = field(default_factory=list)
    documents: Counter[str] = field(default_factory=Counter)
    """Split -> documents; `bytes` of UTF-8 text and whitespace-separated `words` likewise."""
    bytes: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    histogram: Counter[str] = field(default_factory=Counter)
    """Decimal digits of the number of words -> kept documents."""
    files: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {split: [] for split in SPLITS})

    def add(self, other: Account, lines_before: int = 0) -> None:
        """Add the account of later records, whose lines are counted from one that has so many before it in its file."""
        self.read += other.read
        examples = [replace(example, line=example.line + lines_before) for example in other.examples]
        self.examples = (self.examples + examples)[:MAX_EXAMPLES]
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for split in SPLITS:
            self.files[split] += other.files[split]

    def reject(self, reject: Reject) -> None:
        """Count a malformed record, and keep it as an example while there are few."""
        self.rejected[reject.reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(reject)

    def keep(self, split: str, words: NDArray[np.uint32], text_bytes: int) -> None:
        """Count documents of a split that are kept, given the words of each and the bytes of them all."""
        self.documents[split] += len(words)
        self.bytes[split] += text_bytes
        self.words[split] += int(words.sum())
        for place, count in enumerate(np.bincount(np.searchsorted(POWERS_OF_TEN, words, "right")).tolist()):
            if count:
                self.histogram[str(place + 1)] += count

    def list_file(self, split: str, described: Mapping[str, Any]) -> None:
        """List the one file of a split that holds all documents counted in it; `described` is of `common.listed`."""
        counts = {"documents": self.documents[split], "words": self.words[split], "text_bytes": self.bytes[split]}
        self.files[split].append({**described, **counts})

    def record(self) -> dict[str, Any]:
        """Return the account as plain objects for JSON, which `from_record` takes."""
        counters = {name: dict(getattr(self, name)) for name in COUNTERS}
        examples = [asdict(example) for example in self.examples]
        return {"read": self.read, "examples": examples, "files": self.files, **counters}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Account:
        """Return the account that `record` returned. Raises `KeyError` or `TypeError` for anything else."""
        counters = {name: Counter(record[name]) for name in COUNTERS}
        examples = [Reject(**example) for example in record["examples"]]
        return Account(read=record["read"], examples=examples, files=record["files"], **counters)

    def manifest(self) -> dict[str, Any]:
        """Return the account as the manifest of a source tells it: splits, what was left out, examples, lengths."""
        longest = max(map(int, self.histogram))
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
            "dropped": dict(self.dropped),
            "rejected": dict(self.rejected),
            "examples": [asdict(reject) for reject in self.examples],
            "word_histogram": [self.histogram[str(digits)] for digits in range(1, longest + 1)],
        }
