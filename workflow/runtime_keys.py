"""What a profile says beside Snakemake's own options: keys of its `config:`, which are no part of the recipe."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from recipe.checks import suggestion

if TYPE_CHECKING:  # it imports itself in a circle, unless Snakemake begins with it
    from snakemake.workflow import Workflow

KEYS = ("message", "tracker")
TRACKERS = {"wandb": "envs/tracker.txt"}
"""What a tracker may be -> the packages that it needs, below the repository."""


def take(config: MutableMapping[str, Any], workflow: Workflow) -> dict[str, str]:
    """Take the runtime's keys out of what Snakemake read, so that neither the recipe nor a job on a node sees them.

    Args:
        config: recipe and `--config` together, as the Snakefile sees them.
        workflow: Snakemake's, which gives its jobs what `--config` says. A recipe that has such a key keeps it, and is
            told that a recipe knows none.

    Returns:
        Key -> value; those that are not given are missing.

    Raises:
        UserError: a value is no text.
    """
    given = workflow.config_settings.config
    found = {name: given[name] for name in KEYS if given.get(name) is not None}
    for name, value in found.items():
        if not isinstance(value, str):
            kind = "a mapping" if isinstance(value, Mapping) else repr(value)
            raise UserError(
                f"{name} in the profile's config is read as {kind}, not as text. Snakemake takes apart what holds a "
                "colon and a space: write a command into a script, and name that."
            )
        del config[name]
    if (tracker := found.get("tracker", "wandb")) not in TRACKERS:
        raise UserError(f"tracker in the profile's config is {tracker}{suggestion(tracker, TRACKERS)}")
    if found:
        others = {name: value for name, value in given.items() if name not in KEYS}
        workflow.config_settings = replace(workflow.config_settings, config=others, config_args=None)
    return found


def lacking(tracker: str | None, repository: Path) -> list[str]:
    """Return what must be there before a phase begins, in a sentence; nothing where all is."""
    if tracker is None or ((found := find_spec(tracker)) and found.origin):  # a folder of that name has no origin
        return []
    packages = shlex.join([sys.executable, "-m", "pip", "install", "-r", str(repository / TRACKERS[tracker])])
    return [f"tracker: {tracker} in the profile's config needs a package that is not installed here: {packages}"]


def beside(tracker: str | None, recipe: str) -> str:
    """Return the options of launch that mirror a phase's metrics to a tracker; empty without one."""
    if tracker is None:
        return ""
    project = re.sub(r"[^\w .-]", "-", recipe)[:128]  # what wandb takes
    command = [sys.executable, "-m", "workflow.tracking", "--project", project, "--segments", f"results/{tracker}"]
    return shlex.join(["--beside", shlex.join(command)])
