"""A segment of a run on Weights & Biases: a file that `wandb sync` uploads, and its upload where that is wanted.

wandb (MIT) is only asked for what it writes without a network. Segments of one run carry the same id, and `wandb sync`
puts them together in the order in which they began.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.processes import spawn_bound
from workflow.tracking.rows import Row

MODE = "WANDB_MODE"
"""The user's own word on whether anything goes over the network; without one nothing does."""
UPLOAD_SECONDS = 300.0


def mode() -> str:
    """Return what the user wants of wandb: `online`, `offline`, which is the default, or `disabled`."""
    return os.environ.get(MODE) or "offline"


@dataclass(frozen=True)
class Named:
    """What a run is called."""

    project: str
    group: str
    """The recipe's run."""
    phase: str
    config: Mapping[str, Any]
    """The phase's slice."""


class Segment:
    """Rows on their way into a file."""

    def __init__(self, id: str, named: Named, folder: Path) -> None:
        """Begin, in `folder`. Whatever wandb raises passes."""
        os.environ["WANDB_ERROR_REPORTING"] = "false"  # it would tell its makers of its own errors
        import wandb

        self._run = wandb.init(
            id=id,
            resume="allow",
            project=named.project,
            group=named.group,
            job_type=named.phase,
            name=f"{named.group}/{named.phase}",
            config=dict(named.config),
            dir=str(folder),
            mode="offline",
            reinit="create_new",
            # The metrics and no more: no load of the host, no command, code, packages or output.
            settings=wandb.Settings(
                silent=True,
                console="off",
                x_disable_stats=True,
                x_disable_meta=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
                disable_git=True,
                disable_code=True,
                save_code=False,
                disable_job_creation=True,
            ),
        )
        # Charts go by the step of training; wandb's own count goes on where that goes back.
        self._run.define_metric("*", step_metric="step")

    def add(self, number: int, row: Row) -> None:
        """Add a row; `number` is larger than all before."""
        self._run.log(row, step=number)

    def finish(self) -> Path:
        """End the segment; return where it lies, whole."""
        folder = Path(self._run.dir).parent
        self._run.finish()
        return folder

    def abandon(self) -> None:
        """Let go of a segment in which something failed, and of wandb's own process, so that another can begin."""
        import wandb

        for end in (self._run.finish, wandb.teardown):
            with suppress(Exception):
                end()


def upload(segments: Sequence[Path]) -> str:
    """Upload finished segments that are not uploaded yet; return what is wrong, empty where nothing is.

    wandb takes the key from where its login has put it, or from the environment.
    """
    command = [sys.executable, "-m", "wandb", "sync", *map(str, segments)]
    with tempfile.TemporaryFile() as output:
        process = spawn_bound(command, os.environ, stdout=output, stderr=output)
        try:
            status = process.wait(UPLOAD_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return f"wandb sync took longer than {UPLOAD_SECONDS:g} s"
        output.seek(0)
        said = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    return f"wandb sync ended with status {status}: {said[-1] if said else ''}" if status else ""
