"""What Snakemake would do for one file, and why, in its own words: a dry run heard through a logger plugin."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from common.errors import UserError
from workflow.cli.run import REPOSITORY

_PLUGIN = Path(__file__).parent / "plugin"


@dataclass(frozen=True)
class Job:
    """A job that would run."""

    rule_name: str
    rule_msg: str
    wildcards: dict[str, str]
    input: list[str]
    output: list[str]
    reason: str
    """Snakemake's, with the file names in it."""

    def files(self, because: str) -> list[str]:
        """Return the files of one of Snakemake's reasons, such as `Updated input files`; empty if it is none here."""
        found = re.search(rf"(?:^|; ){because}: (.*?)(?:; [A-Z]|$)", self.reason)
        return found[1].split(", ") if found else []


def planned(target: str, arguments: Sequence[str], directory: Path) -> list[Job]:
    """Return the jobs that Snakemake would run for `target` in `directory`, causes before what follows from them.

    Args:
        target: path relative to the directory, or a rule without wildcards.
        arguments: of snakemake: recipe, Snakefile, profile.
        directory: where it is to look, and may write.

    Raises:
        UserError: with Snakemake's own words, if it cannot tell.
    """
    with TemporaryDirectory(prefix="alasin-events-") as folder:
        events = Path(folder) / "events.jsonl"
        events.touch()
        command = [str(Path(sys.executable).with_name("snakemake")), *arguments, "--directory", str(directory)]
        command += ["--dry-run", "--logger", "alasin", "--", target]
        paths = [str(_PLUGIN), str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "ALASIN_EVENTS": str(events), "PYTHONPATH": os.pathsep.join(paths)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    if done.returncode:
        errors = [line["error"] for line in lines if "error" in line]
        raise UserError("\n".join(errors) or done.stderr.strip() or done.stdout.strip())
    return [Job(**line) for line in lines if "error" not in line]
