"""What Snakemake would do for one file, and why, in its own words: a dry run heard through a logger plugin."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from workflow.cli.place import REPOSITORY

_PLUGIN = Path(__file__).parent / "plugin"


class CannotTellError(Exception):
    """Snakemake ended with an error; the text is its own, over several lines."""


@dataclass(frozen=True)
class Job:
    """A job that would run. File names are relative to Snakemake's working directory."""

    rule_name: str
    rule_msg: str
    """The rule's message, or its name where it has none."""
    wildcards: dict[str, str]
    input: list[str]
    output: list[str]
    reason: str
    """Snakemake's sentences, with the file names in them."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Snakemake's reasons without what they name: `Missing output files`, `Updated input files`."""
        return tuple(re.findall(r"(?:^|; )([A-Z][a-z ]+)", self.reason))

    def files(self, because: str) -> list[str]:
        """Return the files of one of Snakemake's reasons, such as `Updated input files`, sorted; none if it is not."""
        found = re.search(rf"(?:^|; ){because}: (.*?)(?:; [A-Z]|$)", self.reason)
        return sorted(found[1].split(", ")) if found else []


def planned(target: str, arguments: Sequence[str], directory: Path, forced: Sequence[str] = ()) -> list[Job]:
    """Return the jobs that Snakemake would run for `target`, causes before what follows from them.

    Args:
        target: path relative to the directory, or the name of a rule without wildcards.
        arguments: of snakemake: recipe, Snakefile, profile.
        directory: where it looks, and writes if it likes.
        forced: files that are made again in any case.

    Raises:
        CannotTellError: if Snakemake cannot tell either.
    """
    with TemporaryDirectory(prefix="alasin-events-") as folder:
        events = Path(folder) / "events.jsonl"
        events.touch()
        command = [str(Path(sys.executable).with_name("snakemake")), *arguments, "--directory", str(directory)]
        command += ["--dry-run", "--logger", "alasin", *(["--forcerun", *forced] if forced else []), "--", target]
        paths = [str(_PLUGIN), str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "ALASIN_EVENTS": str(events), "PYTHONPATH": os.pathsep.join(paths)}
        done = subprocess.run(
            command, env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    if done.returncode:
        told = [line["error"] for line in lines if "error" in line]
        raise CannotTellError("\n".join(told) or (done.stderr or done.stdout).strip())
    return [Job(**line) for line in lines if line.get("output")]


def inputs_before(output: str, directory: Path) -> list[str] | None:
    """Return the inputs that a file was made of, from Snakemake's record; None if there is no record.

    Records lie in .snakemake/metadata under the file's name in base 64. Those of very long names are not looked for.
    """
    path = directory / ".snakemake" / "metadata" / urlsafe_b64encode(output.encode()).decode()
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["input"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
