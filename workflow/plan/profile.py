"""What a Snakemake profile says about each rule's resources, read without Snakemake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from humanfriendly import InvalidSize, InvalidTimespan, parse_size, parse_timespan  # type: ignore[import-untyped]

from common.errors import UserError
from recipe.yaml_files import read_yaml

_NAMES = ("profile.yaml", "config.yaml")


class Profile:
    """A profile's values; a rule's own come before those of `default-resources`."""

    def __init__(self, path: Path) -> None:
        """Read a profile from its folder or its file.

        Raises:
            UserError: if there is none, it is not YAML, or its resources are not keys with values below them.
        """
        files = [path / name for name in _NAMES] if path.is_dir() else [path]
        found = [file for file in files if file.is_file()]
        if not found:
            raise UserError(f"{path} is no profile: it holds no {_NAMES[0]}; name a folder below profiles/.")
        self.path = found[0]
        self._values = self._mapping(read_yaml(self.path), "the file")
        parts = ("set-resources", "default-resources", "set-threads")
        self._rules, self._defaults, self._threads = (self._mapping(self._values.get(part), part) for part in parts)

    @property
    def submits(self) -> bool:
        """Whether rules other than the local ones become jobs of Slurm."""
        return bool(self._values.get("executor") == "slurm")

    @property
    def jobs(self) -> int | None:
        """How many jobs Snakemake has in the queue at once; None if it is not limited."""
        value = self._values.get("jobs")
        return None if value in (None, "unlimited") else int(self._number(value, "jobs"))

    def text(self, rule: str, key: str, default: str) -> str:
        """Return a resource that is a word, such as the name of a partition."""
        value = self._value(rule, key)
        return default if value is None else str(value)

    def count(self, rule: str, key: str, default: int, least: int = 1) -> int:
        """Return a resource that is a whole number of things. Raises `UserError` if it is something else."""
        value = self._value(rule, key)
        if value is None or value == least == 0:
            return default if value is None else 0
        return int(self._number(value, f"{rule}: {key}"))

    def cores(self, rule: str) -> int:
        """Return the cores of a rule's job: `cpus_per_task`, else its threads, else 1."""
        threads = self._threads.get(rule, 1)
        return self.count(rule, "cpus_per_task", int(self._number(threads, f"set-threads: {rule}")))

    def devices(self, rule: str) -> int:
        """Return the GPUs of a rule's job: `gpu`, or `--gpus-per-node` in what sbatch is given besides."""
        found = re.search(r"--gpus-per-node[= ](\d+)", self.text(rule, "slurm_extra", ""))
        return self.count(rule, "gpu", int(found[1]) if found else 0)

    def minutes(self, rule: str) -> float | None:
        """Return `runtime` in minutes: a number is minutes, "48h" or "2d" a time. None if there is none."""
        value = self._value(rule, "runtime")
        if value is None or _is_number(value):
            return None if value is None else self._number(value, f"{rule}: runtime")
        try:
            return float(parse_timespan(str(value))) / 60
        except InvalidTimespan:
            raise self._no_number(f"{rule}: runtime", value, "minutes, or a time such as 48h or 2d") from None

    def memory_mb(self, rule: str) -> int:
        """Return `mem_mb`, or `mem` such as "64GB", in MB; 0 if there is neither."""
        if self._value(rule, "mem_mb") is not None or (value := self._value(rule, "mem")) is None:
            return self.count(rule, "mem_mb", 0)
        try:
            return int(parse_size(str(value))) // 10**6
        except InvalidSize:
            raise self._no_number(f"{rule}: mem", value, "a size such as 64GB") from None

    def _value(self, rule: str, key: str) -> Any:
        own = self._mapping(self._rules.get(rule), f"set-resources: {rule}")
        return own.get(key, self._defaults.get(key))

    def _number(self, value: Any, where: str) -> float:
        if not _is_number(value) or float(value) <= 0:
            raise self._no_number(where, value, "a number above 0")
        return float(value)

    def _no_number(self, where: str, value: Any, wanted: str) -> UserError:
        return UserError(
            f"{self.path}: {where} is {value!r}, but a plan needs {wanted}, not an expression; write the value itself."
        )

    def _mapping(self, value: Any, where: str) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise UserError(f"{self.path}: {where} needs keys with values below it, as in profiles/local/profile.yaml.")
        return value


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
