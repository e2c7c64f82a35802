"""Steps of sampling that change texts and drop none: repair, and placeholders for private data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from corpus.cleaning.private_data import replace_private_data
from corpus.cleaning.repair import repair
from corpus.sampling.account import Account
from corpus.sources.readers import Batch

Mend = Callable[[Sequence[bytes]], tuple[list[bytes], Counter[str]]]
"""Given texts in UTF-8, it returns them as they are to be, and what was changed how often."""


class Mending:
    """A step that changes texts."""

    def __init__(self, what: str, mend: Mend) -> None:
        """Count what is changed under `what`."""
        self._what, self._mend = what, mend

    def __call__(self, batch: Batch, account: Account) -> Batch:
        """Return the documents, changed."""
        texts, changed = self._mend(batch.texts)
        if not changed:
            return batch
        account.changed.update({f"{self._what}: {kind}": count for kind, count in changed.items()})
        return batch.with_texts(texts)


def repairing() -> Mending:
    """Return the step that mends what is damaged; it counts documents."""
    return Mending("repaired", repair)


def replacing(kinds: Sequence[str], language: str) -> Mending:
    """Return the step that puts placeholders for private data of some kinds; it counts places."""
    return Mending("replaced", lambda texts: replace_private_data(texts, kinds, language))
