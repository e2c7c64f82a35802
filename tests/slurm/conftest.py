"""Phases whose processes are gone when the test is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.slurm.standin import TRAINER, Phase


@pytest.fixture
def make_phase(tmp_path: Path) -> Iterator[Callable[..., Phase]]:
    """Make a phase; `rank0="deaf"` or `all="fail"` says how the stand-in behaves instead of training."""
    made: list[Phase] = []

    def make(name: str = "phase", **behaviours: str) -> Phase:
        phase = Phase(tmp_path / name, {key.removeprefix("rank"): value for key, value in behaviours.items()})
        phase.folder.mkdir(parents=True)
        (phase.folder / "trainer.py").write_text(TRAINER)
        made.append(phase)
        return phase

    yield make
    for phase in made:
        phase.clean_up()
