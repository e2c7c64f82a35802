"""Descriptions of clusters: `clusters/{name}.yaml` says how a job is submitted there."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from corpus.files import UserError

_CLUSTERS = Path(__file__).with_name("clusters")


class Cluster(BaseModel):
    """Where jobs run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheduler: Literal["local"]
    """What starts the processes of a job: `local` is this machine itself."""


def read_cluster(name: str) -> Cluster:
    """Read the description of the cluster `name`. Raises `UserError` if there is none or it is wrong."""
    path = _CLUSTERS / f"{name}.yaml"
    known = sorted(other.stem for other in _CLUSTERS.glob("*.yaml"))
    if name not in known:
        raise UserError(f"there is no cluster {name!r}; choose one of {', '.join(known)}, or describe it in {path}.")
    try:
        return Cluster.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise UserError(f"{path} does not describe a cluster: {error}") from None
