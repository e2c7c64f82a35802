"""How a result was made, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from humanfriendly import format_size  # type: ignore[import-untyped]

from common.tables import aligned

_SHOWN = 12
"""Characters of a checksum."""


def made(record: Mapping[str, Any]) -> str:
    """Return a record as lines: by what, when, of which code and inputs."""
    call = record["call"]
    lines = [
        f"{record['file']} was made by rule {record['rule']}, from {record['began']} to {record['ended']}",
        f"  code     {_code(call)}",
        f"  python   {call.get('python') or 'not known'}, all packages {_short(call.get('environment_sha256'))}",
        f"  machine  {_machine(call.get('machine'))}",
        f"  called   {call.get('command') or 'not known'}",
    ]
    if names := call.get("names"):
        lines.append(f"  by       {names['user']} on {names['host']}")
    lines.append(f"  command  {record['command'] or 'none'}")
    inputs = [one for found in record["inputs"] for one in (found, *found.get("files", []))]
    for name, files in (("files", record["files"]), ("inputs", inputs)):
        lines += [f"  {name:7}  {len(files)}", *(f"    {line}" for line in aligned([_file(one) for one in files], 2))]
    return "\n".join(lines)


def _code(call: Mapping[str, Any]) -> str:
    if not call.get("commit"):
        return "no commit is known"
    return f"commit {call['commit']}" + (", with changes that were not committed" if call.get("dirty") else "")


def _machine(machine: Mapping[str, Any] | None) -> str:
    return f"{machine['system']}, {machine['kind']}, {machine['cores']} cores" if machine else "not known"


def _file(one: Mapping[str, Any]) -> list[str]:
    if one.get("gone"):
        return [one["name"], "is not there any more", ""]
    told = f"sha256 {_short(one['sha256'])}" if "sha256" in one else f"of {one['time']}"
    return [one["name"], told + (", written after the result" if one.get("younger") else ""), format_size(one["bytes"])]


def _short(checksum: str | None) -> str:
    return checksum[:_SHOWN] if checksum else "not known"
