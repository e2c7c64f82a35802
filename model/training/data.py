"""From a global row number to a micro-batch on the device.

A stage's data is a `Stream`: the rows of its components, the mixture over them and a key for the masks. Stages that
read the same mixture one after the other are one stream, so that a stage split in two reads the same rows. What a rank
computes of a batch is chosen here and nowhere else: rank r takes every W-th of its rows from the r-th on, in
micro-batches of as many as fit its memory. Rows, their order and their masks depend on recipe, seed, global row, and
how far the sources had been read when the stream began.

The stream reads ahead: while a batch is computed, a thread prepares the next, with all that depends on where its pieces
lie. For a GPU micro-batches lie in page-locked memory, from which they are copied beside the computation, and those of
a batch have one size: what a kernel has been compiled and memory has been taken for is then the same from step to step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from corpus.rows.blend import Blend
from corpus.rows.heads import Heads
from corpus.rows.keys import derive_key
from corpus.rows.store import RowReader
from corpus.rows.streams import heads_after, mixture_of, stream_key
from model.attention.interface import Move
from model.batch import FlatBatch, LayOut, flatten
from model.history.plan import Batch
from model.history.position import DataPosition
from model.masking import MaskedRow, mask_row
from recipe.slices.types import StageSlice


@dataclass(frozen=True)
class MicroBatch:
    """Rows computed in one forward pass."""

    rows: FlatBatch
    languages: torch.Tensor
    """int64[M], language number of each masked position."""

    def moved(self, move: Move) -> MicroBatch:
        """Return the same with each tensor replaced by what `move` makes of it, as `FlatBatch.moved` does."""
        return MicroBatch(self.rows.moved(move), move(self.languages))

    def to(self, device: torch.device) -> MicroBatch:
        """Return the same on `device`, as `FlatBatch.to` does."""
        return self.moved(lambda tensor: tensor.to(device, non_blocking=True))


@dataclass(frozen=True)
class RankBatch:
    """What one rank computes of a global batch."""

    batch: Batch
    micro_batches: list[MicroBatch]
    """At least one; a rank without rows has one that counts nothing."""
    masked: int
    """Masked positions of this rank's rows."""
    drawn: np.ndarray
    """int64[components], real tokens of this rank's rows."""


@dataclass(frozen=True)
class Share:
    """Which part of each batch a process computes, and how it lies in memory."""

    rank: int
    world_size: int
    micro_rows: int
    """Most rows of a micro-batch."""
    lay_out: LayOut
    """Of the encoder that is trained."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """For a GPU micro-batches of a batch have one size, and lie in page-locked memory."""

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.device.type == "cuda"

    def settle(self) -> None:
        """Tell torch which GPU the calling thread works for; else page-locked memory takes room on the first one."""
        if self.on_gpu:
            torch.cuda.set_device(self.device)


class Stream:
    """The rows of consecutive stages that read the same mixture, as this rank sees those of one stage."""

    def __init__(
        self,
        stage: StageSlice,
        mixed: Blend,
        place: DataPosition,
        seed: int,
        vocabulary: int,
        languages: Sequence[str],
    ) -> None:
        """Open the stage's rows.

        Args:
            stage: The stage.
            mixed: What it draws from, with at least one part.
            place: Where the data stands before the stage, or within it.
            seed: Of the recipe; it chooses order and masks.
            vocabulary: Entries of the tokenizer.
            languages: All languages; a row's language number is its place here.

        Raises:
            UserError: if an index is damaged.
        """
        self.blend, self.parts = mixed, mixed.parts
        self.readers = [RowReader(part.index) for part in mixed.parts]
        self.place = place.following(mixed.digest)
        """Where the data stands; of another stream than before if the stage reads another mixture."""
        self.mixture = mixture_of(mixed, self.place.begun, seed, self.place.stream)
        self._mask_key = derive_key(stream_key(seed, self.place.stream).hex(), "mask")
        self._stage, self._vocabulary = stage, vocabulary
        self._languages = [languages.index(part.component.language) for part in mixed.parts]

    def heads(self, rows: int) -> Heads:
        """Return how far each source has been read after the first `rows` global rows of the stream."""
        return heads_after(self.blend, self.mixture, self.place.begun, self.mixture.drawn(rows))

    def at(self, rows: int) -> DataPosition:
        """Return where the data stands when the first `rows` global rows of the stream are done."""
        return replace(self.place, rows=rows, heads=self.heads(rows))

    def batches(self, batches: Iterator[Batch], share: Share) -> Iterator[RankBatch]:
        """Yield this rank's part of each batch, preparing the next one meanwhile."""
        with ThreadPoolExecutor(1, thread_name_prefix="reader", initializer=share.settle) as reader:
            pending = None
            for batch in batches:
                following = reader.submit(self.rank_batch, batch, share)
                if pending:
                    yield pending.result()
                pending = following
            if pending:
                yield pending.result()

    def rank_batch(self, batch: Batch, share: Share) -> RankBatch:
        """Return a rank's part of a batch, in micro-batches that are as even as can be."""
        rows = np.concatenate([np.arange(*range_, dtype=np.int64) for range_ in batch.ranges])[
            share.rank :: share.world_size
        ]
        drawn = np.zeros(len(self.parts), dtype=np.int64)
        if not len(rows):  # all ranks must take part in the backward pass
            idle = self._micro_batch(np.array([batch.ranges[0][0]]), 1, np.zeros_like(drawn), share)
            empty = idle.languages[:0]
            return RankBatch(batch, [MicroBatch(replace(idle.rows, positions=empty, labels=empty), empty)], 0, drawn)
        parts = np.array_split(rows, -(-len(rows) // share.micro_rows))
        micro_batches = [self._micro_batch(part, len(parts[0]), drawn, share) for part in parts]
        return RankBatch(batch, micro_batches, sum(len(one.languages) for one in micro_batches), drawn)

    def _micro_batch(self, rows: np.ndarray, most: int, drawn: np.ndarray, share: Share) -> MicroBatch:
        """Return `rows` as one micro-batch, of the size of `most` rows on a GPU, and count their tokens in `drawn`."""
        masked: list[MaskedRow] = []
        lengths: list[np.ndarray] = []
        languages: list[np.ndarray] = []
        for row, component, place in zip(rows.tolist(), *(a.tolist() for a in self.mixture.locate(rows)), strict=True):
            tokens, pieces = self.readers[component].row(place)
            masked.append(mask_row(tokens, row, self._mask_key, self._stage.masking_rate, self._vocabulary))
            lengths.append(pieces)
            languages.append(np.full(len(masked[-1].labels), self._languages[component], dtype=np.int64))
            drawn[component] += len(tokens)
        length = self._stage.length
        flat = flatten(masked, lengths, share.lay_out, most * length if share.on_gpu else 0, length)
        made = MicroBatch(flat, torch.from_numpy(np.concatenate(languages)))
        return made.moved(torch.Tensor.pin_memory) if share.on_gpu else made
