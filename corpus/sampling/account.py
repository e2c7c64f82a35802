"""What became of the records of some files: counts, a few examples, and the parts written.

Accounts of several files add up in the order of the files, so that the sum does not depend on who counted what.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from corpus.sampling.filters import SPLITS
from corpus.sources.readers import Reject

MAX_EXAMPLES = 20
COUNTERS = ("dropped", "rejected", "documents", "bytes", "words", "histogram")


@dataclass
class Account:
    """What became of the records of some files. Accounts of several files add up with `add`."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Reject] = field(default_factory=list)
    documents: Counter[str] = field(default_factory=Counter)
    """Split -> documents; `bytes` of UTF-8 text and whitespace-separated `words` likewise."""
    bytes: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    histogram: Counter[int] = field(default_factory=Counter)
    """Decimal digits of the number of words -> kept documents."""
    parts: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {split: [] for split in SPLITS})

    def add(self, other: Account) -> None:
        """Add the account of later files."""
        self.read += other.read
        self.examples = (self.examples + other.examples)[:MAX_EXAMPLES]
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for split in SPLITS:
            self.parts[split] += other.parts[split]

    def reject(self, reject: Reject) -> None:
        """Count a malformed record, and keep it as an example while there are few."""
        self.rejected[reject.reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(reject)

    def manifest(self) -> dict[str, Any]:
        """Return the account as the manifest of a source tells it: splits, what was left out, examples, lengths."""
        return {
            "splits": {
                split: {
                    "documents": self.documents[split],
                    "bytes": self.bytes[split],
                    "words": self.words[split],
                    "files": self.parts[split],
                }
                for split in SPLITS
            },
            "read": self.read,
            "dropped": dict(self.dropped),
            "rejected": dict(self.rejected),
            "examples": [asdict(reject) for reject in self.examples],
            "word_histogram": [self.histogram[digits] for digits in range(1, max(self.histogram) + 1)],
        }
