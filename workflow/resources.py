"""What profiles and command lines say of resources, as people mean it.

Snakemake evaluates each string there as Python: a partition named `all` becomes a function. And it repeats a job that
ran into its time limit under the same limit.
"""

from __future__ import annotations

import builtins
from collections.abc import MutableMapping
from typing import Any

from snakemake.resources import Resource
from snakemake.settings.types import ResourceSettings


def read_as_meant(settings: ResourceSettings) -> None:
    """Keep names of Python's own functions as words, and give the second try of a job twice the time."""
    given: list[MutableMapping[str, Any]] = [*settings.overwrite_resources.values()]
    if settings.default_resources is not None:
        given.append(settings.default_resources)
    for mapping in given:
        for name, resource in list(mapping.items()):
            raw = getattr(resource, "raw", resource)
            if isinstance(raw, str) and hasattr(builtins, raw):
                mapping[name] = Resource.from_cli_expression(name, repr(raw))
            elif name == "runtime" and str(raw).isdecimal():
                mapping[name] = Resource.from_cli_expression(name, f"{raw} * attempt")
