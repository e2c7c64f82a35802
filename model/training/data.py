"""From a global row number to a micro-batch on the device.

A stage's data is a `Stream`: the rows of its components, the mixture over them and a key for the masks. Stages that
read the same mixture one after the other are one stream, so that a stage split in two reads the same rows. What a rank
computes of the batch that begins at global row g is chosen here and nowhere else: rank r takes rows g + r, g + r + W,
..., in micro-batches of as many rows as fit its memory. Rows, their order and their masks depend on recipe, seed, g,
and how far the sources had been read when the stream began.

The stream reads ahead: while a batch is computed, a thread prepares the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import torch

from common.errors import UserError
from corpus.rows.heads import Heads, first_occurrence, head_name
from corpus.rows.mixture import Mixture, at_least_a_share
from corpus.rows.order import SourceOrder, block_count
from corpus.rows.permutation import derive_key
from corpus.rows.store import RowReader
from corpus.rows.weights import component_weights
from model.batch import FlatBatch, flatten
from model.masking import MaskedRow, mask_row
from model.training.position import DataPosition
from recipe.schedule import Step
from recipe.slices.types import Component, StageSlice


def _order(seed: int, part: Component, reader: RowReader) -> SourceOrder:
    blocks = block_count(reader.index["split_ids"])
    return SourceOrder(reader.rows, blocks, derive_key(seed, "source", part.source), part.rowset)


@dataclass(frozen=True)
class MicroBatch:
    """Rows computed in one forward pass."""

    rows: FlatBatch
    languages: torch.Tensor
    """int64[M], language number of each masked position."""

    def to(self, device: torch.device) -> MicroBatch:
        """Return the same on `device`, as `FlatBatch.to` does."""
        return MicroBatch(self.rows.to(device), self.languages.to(device, non_blocking=True))


@dataclass(frozen=True)
class RankBatch:
    """What one rank computes of a global batch."""

    step: Step
    micro_batches: list[MicroBatch]
    """At least one; a rank without rows has one that counts nothing."""
    masked: int
    """Masked positions of this rank's rows."""
    drawn: np.ndarray
    """int64[components], real tokens of this rank's rows."""


def open_components(
    components: Sequence[Component], indexes: Mapping[tuple[str, str], Path], say: Callable[[str], None]
) -> list[RowReader]:
    """Open the rows of each component; `indexes` as `corpus.rows.store.read_list` returns them."""
    readers = [RowReader(indexes[part.source, part.rowset]) for part in components]
    empty: dict[str, list[str]] = {}
    for part, reader in zip(components, readers, strict=True):
        if not reader.rows:
            empty.setdefault(part.rowset, []).append(part.source)
    for rowset, sources in empty.items():
        say(f"left out of the mixture, as they have no rows in {rowset}: {', '.join(sources)}")
    return readers


class Stream:
    """The rows of consecutive stages that read the same mixture, as this rank sees those of one stage."""

    def __init__(
        self,
        stage: StageSlice,
        indexes: Mapping[tuple[str, str], Path],
        place: DataPosition,
        seed: int,
        vocabulary: int,
        languages: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        """Open the stage's rows.

        Args:
            stage: The stage.
            indexes: (source, rowset) -> index of its rows.
            place: Where the data stands before the stage, or within it.
            seed: Of the recipe; it chooses order and masks.
            vocabulary: Entries of the tokenizer.
            languages: All languages; a row's language number is its place here.
            say: Prints a line about what is left out.

        Raises:
            UserError: if an index is damaged or there is nothing to train on.
        """
        readers = open_components(stage.components, indexes, say)
        shares = component_weights(stage.components, [reader.index["tokens"] for reader in readers])
        kept = [i for i, reader in enumerate(readers) if reader.rows]
        if not kept:
            raise UserError(f"no source of the mixture has a row of {stage.length} slots; check its word bins.")
        self.components = [stage.components[i] for i in kept]
        self.readers = [readers[i] for i in kept]
        # Rows are drawn, tokens are wanted: a source whose rows are half empty is drawn twice as often.
        weights = at_least_a_share(
            [shares[i] * Fraction(readers[i].rows, readers[i].index["tokens"]) for i in kept],
        )
        self.place = place.following(self._digest(weights))
        """Where the data stands; of another stream than before if the stage reads another mixture."""
        key = derive_key(seed, "stream", self.place.stream)
        self.mixture = Mixture(
            orders=tuple(map(partial(_order, seed), self.components, self.readers)),
            firsts=tuple(
                first_occurrence(self.place.begun, part, reader.rows)
                for part, reader in zip(self.components, self.readers, strict=True)
            ),
            weights=tuple(weights),
            key=derive_key(key.hex(), "order"),
        )
        self._mask_key = derive_key(key.hex(), "mask")
        self._stage, self._vocabulary = stage, vocabulary
        self._languages = [languages.index(part.language) for part in self.components]

    def _digest(self, weights: Sequence[Fraction]) -> str:
        facts: list[str | int] = []
        for part, reader, weight in zip(self.components, self.readers, weights, strict=True):
            facts += [part.source, part.rowset, reader.rows, str(weight)]
        return derive_key(*facts).hex()

    def heads(self, rows: int) -> Heads:
        """Return how far each source has been read after the first `rows` global rows of the stream."""
        parts = zip(self.components, self.mixture.orders, self.mixture.firsts, self.mixture.drawn(rows), strict=True)
        return self.place.begun | {head_name(part): [first + count, order.rows] for part, order, first, count in parts}

    def after(self, rows: int) -> DataPosition:
        """Return where the data stands when `rows` more global rows than at `place` are done."""
        done = self.place.rows + rows
        return replace(self.place, rows=done, heads=self.heads(done))

    def batches(self, steps: Iterator[Step], rank: int, world_size: int, micro_rows: int) -> Iterator[RankBatch]:
        """Yield this rank's part of each step's batch, preparing the next one meanwhile.

        A step's `first_row` is a global row of the stream.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
            pending = None
            for step in steps:
                following = reader.submit(self.rank_batch, step, rank, world_size, micro_rows)
                if pending:
                    yield pending.result()
                pending = following
            if pending:
                yield pending.result()

    def rank_batch(self, step: Step, rank: int, world_size: int, micro_rows: int) -> RankBatch:
        """Return rank `rank`'s part of a step's batch, in micro-batches of at most `micro_rows` rows."""
        rows = np.arange(step.first_row + rank, step.first_row + step.rows, world_size, dtype=np.int64)
        drawn = np.zeros(len(self.components), dtype=np.int64)
        if not len(rows):  # all ranks must take part in the backward pass
            idle = self._micro_batch(np.array([step.first_row]), np.zeros_like(drawn))
            empty = idle.languages[:0]
            return RankBatch(step, [MicroBatch(replace(idle.rows, positions=empty, labels=empty), empty)], 0, drawn)
        micro_batches = [self._micro_batch(rows[i : i + micro_rows], drawn) for i in range(0, len(rows), micro_rows)]
        return RankBatch(step, micro_batches, sum(len(batch.languages) for batch in micro_batches), drawn)

    def _micro_batch(self, rows: np.ndarray, drawn: np.ndarray) -> MicroBatch:
        masked: list[MaskedRow] = []
        lengths: list[np.ndarray] = []
        languages: list[np.ndarray] = []
        for row, component, place in zip(rows.tolist(), *(a.tolist() for a in self.mixture.locate(rows)), strict=True):
            tokens, pieces = self.readers[component].row(place)
            masked.append(mask_row(tokens, row, self._mask_key, self._stage.masking_rate, self._vocabulary))
            lengths.append(pieces)
            languages.append(np.full(len(masked[-1].labels), self._languages[component], dtype=np.int64))
            drawn[component] += len(tokens)
        return MicroBatch(flatten(masked, lengths), torch.from_numpy(np.concatenate(languages)))
