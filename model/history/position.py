"""Where training stands: what a checkpoint holds beside tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corpus.rows.heads import Heads


@dataclass(frozen=True)
class DataPosition:
    """Where a run stands in its data. A *stream* is the rows of consecutive stages that read the same mixture."""

    stream: int = -1
    """Number of the stream, from 0 on, over the whole lineage."""
    mixture: str = ""
    """Digest of what the stream reads; a stage that reads the same goes on with it."""
    rows: int = 0
    """Global rows of the stream that are done, or were skipped."""
    begun: Heads = field(default_factory=dict)
    """How far each source had been read when the stream began."""
    heads: Heads = field(default_factory=dict)
    """How far each source has been read after `rows`; brought up to date for each checkpoint."""

    def following(self, mixture: str) -> DataPosition:
        """Return where a stage begins that reads `mixture` after what has been read up to here."""
        if mixture == self.mixture:
            return self
        return DataPosition(stream=self.stream + 1, mixture=mixture, begun=self.heads, heads=self.heads)


@dataclass
class Position:
    """Where training stands; what `state.json` holds. Numbers of slots and steps count the whole lineage."""

    step: int = 0
    slots: int = 0
    history: str = ""
    """What led here, as a digest: `model.history.plan`."""
    tokens: dict[str, int] = field(default_factory=dict)
    """Identity of a source's text -> its real tokens that were trained on, over the whole lineage."""
    stage: int = 0
    """Of the phase, from 0 on."""
    phase_slots: int = 0
    stage_end: bool = False
    """Whether this is the last checkpoint of a stage."""
    drawn: dict[str, int] = field(default_factory=dict)
    """Source -> real tokens of it trained on in this phase."""
    data: DataPosition = field(default_factory=DataPosition)

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Position:
        """Return the position that a `state.json` holds as `position`."""
        return cls(**{**content, "data": DataPosition(**content["data"])})

    def next_phase(self) -> Position:
        """Return where the phase after the one that ended here begins."""
        return Position(self.step, self.slots, self.history, dict(self.tokens), data=self.data)
