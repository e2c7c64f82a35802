"""Loss on held-out rows while a phase trains, so that overfitting is seen while there is still something to save.

The rows, their masks and their length are the same each time and in every phase of a run: the losses make one curve.
They are computed by all ranks together, a share of the rows on each, and change nothing in training: weights, order and
masks are bit for bit those of a training without.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from corpus.rows.listing import read_index
from corpus.rows.store import RowReader
from model.held_out import HeldOutRow, guess, held_out_rows
from model.modernbert import ModernBert
from recipe.slices.types import ValidationSlice


class Validation:
    """The held-out rows of one rank, and when they are measured."""

    def __init__(
        self, content: ValidationSlice, rows: Mapping[tuple[str, str], Path], vocabulary: int, device: torch.device
    ) -> None:
        """Choose rows and masks; nothing if the slice gives no interval. The ranks have met.

        Args:
            content: which rows, and how often.
            rows: indexes of held-out rows; those of other lengths and splits are passed over.
            vocabulary: entries of the tokenizer.
            device: where the encoder is.
        """
        self._every, self._device = content.every_tokens, device
        self._rows: dict[str, list[HeldOutRow]] = {}
        """Language -> this rank's rows."""
        if self._every is None:
            return
        readers: dict[str, dict[str, RowReader]] = {}
        for path in rows.values():
            index = read_index(path)
            if index["split"] == "validation" and index["length"] == content.length:
                readers.setdefault(index["language"], {})[index["source"]] = RowReader(path)
        rank, world_size = dist.get_rank(), dist.get_world_size()
        for language in sorted(content.languages):
            own = {name: readers[language][name] for name in content.languages[language] if name in readers[language]}
            some = held_out_rows(own, content.rows, content.length, content.seed, content.masking_rate, vocabulary)
            self._rows[language] = list(some)[rank::world_size]

    @property
    def languages(self) -> list[str]:
        """Languages of which this rank has a row; the first rank has one of each that has any."""
        return [language for language, rows in self._rows.items() if rows]

    def due(self, before: int, after: int) -> bool:
        """Return whether rows are to be measured after a step from `before` to `after` slots of the lineage."""
        return self._every is not None and before // self._every < after // self._every

    def measure(self, encoder: ModernBert) -> dict[str, Any]:
        """Return loss in nats per masked token, accuracy, masked tokens, loss by language, and the seconds it took.

        All ranks call this together.
        """
        began = time.monotonic()
        sums = torch.zeros(len(self._rows), 3, dtype=torch.float64)
        for number, rows in enumerate(self._rows.values()):
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
                for guesses in guess(encoder, rows, self._device):
                    found = (guesses.loss.sum(), guesses.correct.sum(), len(guesses.loss))
                    sums[number] += torch.from_numpy(np.array(found, dtype=np.float64))
        sums = sums.to(self._device)
        dist.all_reduce(sums)
        losses, hits, counts = sums.cpu().numpy().T
        masked = max(1.0, counts.sum())
        return {
            "loss": float(losses.sum() / masked),
            "accuracy": float(hits.sum() / masked),
            "masked": int(counts.sum()),
            "language_loss": {
                language: float(losses[number] / counts[number])
                for number, language in enumerate(self._rows)
                if counts[number]
            },
            "seconds": time.monotonic() - began,
        }
