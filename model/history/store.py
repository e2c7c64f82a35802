"""Checkpoints on disk, but for their tensors: complete, or not there.

A checkpoint is a directory `step-<eight digits>` of safetensors files, `state.json`, and `manifest.json` with the size
and SHA-256 of each. It is written under a staged name, synced to disk, and renamed; the manifest is its last file.
Whoever loads one verifies it first. One that fails is set aside, under a name that says so, and the one before it is
taken. Nothing in a checkpoint is ever executed: there are tensors and JSON, no pickles.

    checkpoints/
        step-00001200/      weights, exp_avg, exp_avg_sq .safetensors   fp32, named as the model's state dict
                            state.json                                  where training stands
                            manifest.json                               sizes and checksums of the others
        damaged-step-00001300/
"""

from __future__ import annotations

import shutil
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import fsync_directory, read_json, sha256_of, write_json
from common.finished import write_finished
from common.listed import problem_with
from model.history.position import Position
from recipe.slices.types import PhaseSlice

FORMAT = 4
TENSOR_FILES = ("weights", "exp_avg", "exp_avg_sq")
MANIFEST = "manifest.json"


def directory_of(folder: Path, step: int) -> Path:
    """Return the checkpoint of a step in a folder of them."""
    return folder / f"step-{step:08}"


def step_of(directory: Path) -> int:
    """Return the step that a checkpoint's name tells."""
    return int(directory.name.removeprefix("step-"))


def staged_name(directory: Path) -> Path:
    """Return where a checkpoint is written before it gets its name."""
    return directory.with_name(f".{directory.name}.part")


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
    """Give those checkpoints in `folder` their names that were whole when their writer was killed."""
    for staged in folder.glob(".step-*.part"):
        directory = staged.with_name(staged.name.removeprefix(".").removesuffix(".part"))
        if (staged / MANIFEST).is_file() and not directory.exists() and damage(staged) is None:
            staged.rename(directory)


def damage(directory: Path) -> str | None:
    """Return what is wrong with a checkpoint, in words that name the file, or None if it is whole."""
    try:
        manifest = read_json(directory / MANIFEST)
        for entry in manifest["files"]:
            if problem := problem_with(directory, entry):
                return problem
        missing = {f"{name}.safetensors" for name in TENSOR_FILES} - {entry["name"] for entry in manifest["files"]}
    except UserError as error:
        return str(error)
    except (KeyError, TypeError):
        return f"{directory / MANIFEST} is not a checkpoint's manifest"
    return f"{directory / MANIFEST} does not list {', '.join(sorted(missing))}" if missing else None


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
    path = directory / "state.json"
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
