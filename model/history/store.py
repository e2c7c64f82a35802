"""Checkpoints on disk, but for their tensors: complete, or not there.

A checkpoint is a directory `step-<eight digits>` of safetensors files, one of each rank that wrote it, `state.json`,
and `manifest.json` with the size and SHA-256 of each. It is written under a staged name, synced to disk, and renamed;
the manifest is its last file. The staged name holds the number of the attempt, so that what a killed one has left is
never taken for a part of another's. Whoever loads a checkpoint verifies it first. One that fails is set aside, under a
name that says so, and the one before it is taken. Nothing in it is ever executed: there are tensors and JSON, no
pickles.

    checkpoints/
        step-00001200/      shard-00000-of-00002.safetensors    fp32; see model/training/checkpoint.py
                            shard-00001-of-00002.safetensors
                            state.json                          where training stands
                            manifest.json                       sizes and checksums of the others
        .step-00001300.4711.part/
        damaged-step-00001300/
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import fsync_directory, read_json, sha256_of, write_json
from common.finished import write_finished
from common.listed import problem_with
from model.history.position import Position
from recipe.slices.types import PhaseSlice

FORMAT = 5
MANIFEST = "manifest.json"
STATE = "state.json"
_SHARD = re.compile(r"shard-\d{5}-of-(\d{5})\.safetensors")


def directory_of(folder: Path, step: int) -> Path:
    """Return the checkpoint of a step in a folder of them."""
    return folder / f"step-{step:08}"


def step_of(directory: Path) -> int:
    """Return the step that a checkpoint's name tells."""
    return int(directory.name.removeprefix("step-"))


def staged_name(directory: Path, attempt: str) -> Path:
    """Return where a checkpoint is written before it gets its name; `attempt`, without a dot, is the writer's own."""
    return directory.with_name(f".{directory.name}.{attempt}.part")


def shard_name(rank: int, world_size: int) -> str:
    """Return the name of the file that a rank writes."""
    return f"shard-{rank:05}-of-{world_size:05}.safetensors"


def shards_of(directory: Path) -> list[Path]:
    """Return the files of tensors that a checkpoint's manifest lists, by rank."""
    names = sorted(entry["name"] for entry in read_json(directory / MANIFEST)["files"])
    return [directory / name for name in names if _SHARD.fullmatch(name)]


def put_in_place(staged: Path, directory: Path) -> None:
    """Give a checkpoint that is whole its name; what has the name already is replaced.

    Killed between the two renames, `finish_renames` does the second one later.
    """
    if directory.exists():
        doomed = directory.with_name(f".{directory.name}.old")
        shutil.rmtree(doomed, ignore_errors=True)
        directory.rename(doomed)
        staged.rename(directory)
        shutil.rmtree(doomed)
    else:
        staged.rename(directory)
    fsync_directory(directory.parent)


def finish_renames(folder: Path) -> None:
    """Give those checkpoints in `folder` their names that were whole when their writer was killed; delete the others.

    No other process may write there.
    """
    for staged in sorted(folder.glob(".step-*.part")):
        directory = staged.with_name(staged.name.split(".")[1])
        if (staged / MANIFEST).is_file() and not directory.exists() and damage(staged) is None:
            staged.rename(directory)
        else:
            shutil.rmtree(staged)


def damage(directory: Path) -> str | None:
    """Return what is wrong with a checkpoint, in words that name the file, or None if it is whole."""
    try:
        manifest = read_json(directory / MANIFEST)
        for entry in manifest["files"]:
            if problem := problem_with(directory, entry):
                return problem
        missing = _missing(entry["name"] for entry in manifest["files"]) if manifest["format"] == FORMAT else []
    except UserError as error:
        return str(error)
    except (KeyError, TypeError):
        return f"{directory / MANIFEST} is not a checkpoint's manifest"
    return f"{directory / MANIFEST} does not list {', '.join(missing)}" if missing else None


def _missing(names: Iterable[str]) -> list[str]:
    """Return what a manifest that lists these names lacks: the state, or shards of the ranks that wrote it."""
    listed = set(names)
    world_size = max((int(found[1]) for found in map(_SHARD.fullmatch, listed) if found), default=1)
    return sorted({STATE, *(shard_name(rank, world_size) for rank in range(world_size))} - listed)


def format_of(directory: Path) -> Any:
    """Return the number of the format that a whole checkpoint is written in."""
    return read_json(directory / MANIFEST).get("format")


def other_format(directory: Path) -> str | None:
    """Return in words that a whole checkpoint is of another format than is read here, or None."""
    found = format_of(directory)
    return None if found == FORMAT else f"{directory} is a checkpoint of format {found}, and {FORMAT} is what is read"


def complete_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder` that have a manifest, oldest first."""
    return sorted(path for path in folder.glob("step-*") if (path / MANIFEST).is_file())


def load_state(directory: Path) -> dict[str, Any]:
    """Return the content of a checkpoint's `state.json`. Raises `UserError` if it is of another format."""
    path = directory / STATE
    state: dict[str, Any] = read_json(path)
    if state.get("format") != FORMAT:
        raise UserError(
            f"{path} is of format {state.get('format')}, and {FORMAT} is what is read; move {directory} away and run "
            "again."
        )
    return state


def remove_old(folder: Path, newest: int, kept: Container[int]) -> None:
    """Delete checkpoints but the newest so many, and those of the steps `kept`."""
    for directory in complete_checkpoints(folder)[:-newest]:
        if step_of(directory) in kept:
            continue
        doomed = directory.with_name(f".{directory.name}.old")
        directory.rename(doomed)  # gone in one step: a kill in the middle leaves no half checkpoint behind
        shutil.rmtree(doomed)
    for leftover in folder.glob(".step-*.old"):
        shutil.rmtree(leftover)


def stage_ends(pointer: Path) -> list[tuple[Position, Path]]:
    """Return the checkpoints at the ends of a phase's stages, oldest first: where training stood, and the directory.

    Args:
        pointer: the phase's checkpoint.json; what lies beside its checkpoint is of the same phase.

    Raises:
        UserError: if one is damaged or of another format; all are verified.
    """
    found = []
    for directory in complete_checkpoints(pointed_directory(pointer).parent):
        position = Position.read(load_state(directory)["position"])
        if position.stage_end:
            if problem := damage(directory):
                raise UserError(f"{problem}. Move {directory} away and run again: the others are measured without it.")
            found.append((position, directory))
    return found


def write_pointer(path: Path, directory: Path, facts: Mapping[str, Any], inputs: str = "") -> None:
    """Write `checkpoint.json`, the declared artifact of a phase: it names a checkpoint and its manifest's checksum.

    Before it, the word of the phase's end (`common.finished`), with the digest of what it was made from.
    """
    content = {
        "format": FORMAT,
        "checkpoint": str(directory.relative_to(path.parent)),
        "manifest_sha256": sha256_of(directory / MANIFEST),
    }
    content |= facts
    write_finished(path, content, inputs, directory / MANIFEST)
    write_json(path, content)


def pointer_facts(content: PhaseSlice, position: Position) -> dict[str, Any]:
    """Return what a `checkpoint.json` says of the end of a phase."""
    reached = {"step": position.step, "slots": position.slots, "history": position.history}
    return {"run": content.run, "phase": content.phase, **reached}


def pointed_directory(pointer: Path) -> Path:
    """Return the directory that a `checkpoint.json` names, as it is.

    Raises:
        UserError: if that file names none, or is of another format.
    """
    content = read_json(pointer)
    if not isinstance(content, dict) or not {"checkpoint", "manifest_sha256"} <= content.keys():
        raise UserError(f"{pointer} names no checkpoint; give the checkpoint.json that a phase of training ends with.")
    if content.get("format") != FORMAT:
        raise UserError(
            f"{pointer} is of format {content.get('format')}, and {FORMAT} is what is read; delete it and run again: "
            "the phase is trained anew."
        )
    directory: Path = pointer.parent / content["checkpoint"]
    return directory


def open_checkpoint(pointer: Path) -> Path:
    """Return the directory that a `checkpoint.json` names, verified.

    Raises:
        UserError: if it is missing, damaged, or another one than the pointer was written for.
    """
    directory = pointed_directory(pointer)
    problem = damage(directory)
    if problem is None and sha256_of(directory / MANIFEST) != read_json(pointer)["manifest_sha256"]:
        problem = f"{directory} is not the checkpoint that {pointer} was written for"
    if problem:
        raise UserError(
            f"{problem}. Delete {pointer} and run again: training continues from the last whole checkpoint."
        )
    return directory
