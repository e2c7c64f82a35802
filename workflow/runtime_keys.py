"""What a profile says beside Snakemake's own options: keys of its `config:`, which are no part of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from snakemake.workflow import Workflow

from common.errors import UserError

KEYS = ("message",)


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
    if found:
        others = {name: value for name, value in given.items() if name not in KEYS}
        workflow.config_settings = replace(workflow.config_settings, config=others, config_args=None)
    return found
