"""What of a phase's metrics a tracker has: in whole segments, each of which is there with all its steps or not at all.

A segment is written in a folder of the phase, `tracking/{history}/`. Finished, it goes to `results/wandb/`, and the
record of what it holds is written just before: a segment in the folder that the record names is brought there. Any
other was not finished when its writer was killed: it is deleted, and its steps are mirrored again.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from common.errors import UserError
from common.files import read_json, write_json

FORMAT = 1
_RECORD = "mirrored.json"


@dataclass(frozen=True)
class Mirrored:
    """What a tracker has of a phase."""

    id: str
    """The tracker's name of the run."""
    step: int = 0
    """The last step that it has."""
    repeated: int = 0
    """Steps that it has and that training has taken again since, as it went on from a checkpoint."""
    went_back: int = 0
    """How often training did so."""
    known: str = ""
    """Hexadecimal: `Lines.known` of what it has."""
    segments: int = 0
    """How many are finished."""
    segment: str = ""
    """The newest of them."""


class Record:
    """A phase's record of what a tracker has, kept with the history that its first step leads to."""

    def __init__(self, folder: Path, history: str, finished: Path) -> None:
        """Put in order what was left.

        Args:
            folder: of the phase.
            history: of its first step, hexadecimal.
            finished: the folder that takes finished segments.
        """
        self.folder = folder / "tracking" / history
        self._finished = finished
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mirrored = self._read() or Mirrored(_name(folder, history))
        self._bring()

    def segments(self) -> list[Path]:
        """Return the finished segments, oldest first: their names begin with when they began."""
        return sorted(self._finished.glob(f"*-{self.mirrored.id}"))

    def finish(self, segment: Path, mirrored: Mirrored) -> None:
        """Record a whole segment with what the tracker has by it, and bring it to the finished ones.

        Args:
            segment: its folder, somewhere below `folder`.
            mirrored: up to and with it, but for its own name and number.
        """
        number = mirrored.segments + 1
        begun, _, name = segment.name.rpartition("-")
        self.mirrored = replace(mirrored, segments=number, segment=f"{begun}-{number:05}-{name}")
        segment.rename(self.folder / self.mirrored.segment)
        write_json(self.folder / _RECORD, {"format": FORMAT, **asdict(self.mirrored)})
        self._bring()

    def _bring(self) -> None:
        """Bring the segment that is on record where it belongs, and delete what is not on record."""
        for path in filter(Path.is_dir, self.folder.iterdir()):
            if path.name == self.mirrored.segment:
                self._finished.mkdir(parents=True, exist_ok=True)
                path.rename(self._finished / path.name)
            else:
                shutil.rmtree(path)

    def _read(self) -> Mirrored | None:
        path = self.folder / _RECORD
        if not path.exists():
            return None
        content = read_json(path)
        if content.pop("format", None) != FORMAT:
            raise UserError(f"{path} is of another version of Alasin; delete it to mirror the phase anew.")
        return Mirrored(**content)


def _name(folder: Path, history: str) -> str:
    """Return the tracker's name of a run: of the history, and of the place, for two places may train the same."""
    return hashlib.blake2b(f"{history} {folder.absolute()}".encode(), digest_size=8).hexdigest()
