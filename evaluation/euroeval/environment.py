"""Stage: the environment that EuroEval runs in, found or made; what is left is a small file that names its Python.

EuroEval needs other versions of what Alasin needs too, so it has packages of its own (`envs/euroeval.txt`). They are
looked for in the directory that ALASIN_EUROEVAL names, and in the conda environment of the job. Where neither has them
they are installed beside those of the running Python, once for all recipes, with the torch that is installed there: the
same version and the same build, so that a machine without GPU gets none for CUDA.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from common.errors import UserError, run_command
from common.files import write_json
from common.locks import holder_of, try_lock
from evaluation.hub import HubAbsentError, write_unmeasured
from evaluation.results import FORMAT

COMMAND = "python -m evaluation.euroeval.environment"
VARIABLE = "ALASIN_EUROEVAL"
"""Of the process's environment: a directory with bin/python and the packages."""
FINISHED = "alasin.json"
"""In an environment that was made here, written last."""
LIST = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
PAUSE = 5.0
"""Seconds between two looks whether another process has made it."""


def pins(requirements: Path) -> dict[str, str]:
    """Return package -> version of a list of `name==version`, names as they are compared (PEP 503)."""
    lines = re.findall(r"(?m)^([\w.-]+)==(\S+)", requirements.read_text(encoding="utf-8"))
    return {_comparable(name): number for name, number in lines}


def wrong_packages(python: Path, wanted: dict[str, str]) -> list[str]:
    """Return what an interpreter lacks of the wanted packages, or has in another version: a few words each."""
    try:
        asked = subprocess.run([python, "-I", "-c", LIST], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return [f"{python} does not run"]
    there = {_comparable(name): number for name, number in json.loads(asked.stdout).items()}
    missing = [f"no {name}" for name in ("torch", *wanted) if name not in there]
    return missing + [
        f"{name} {there[name]} instead of {number}"
        for name, number in wanted.items()
        if there.get(name, number) != number
    ]


def given(wanted: dict[str, str]) -> Path | None:
    """Return the Python of an environment that somebody made, or None.

    Raises:
        UserError: ALASIN_EUROEVAL names one with other packages.
    """
    if named := os.environ.get(VARIABLE):
        python = Path(named).absolute() / "bin" / "python"
        if wrong := wrong_packages(python, wanted):
            told = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
            raise UserError(
                f"{VARIABLE} names {named}, which does not hold the packages of envs/euroeval.txt ({told}); install "
                "them there, or unset it."
            )
        return python
    python = Path(os.environ.get("CONDA_PREFIX", "/nowhere")) / "bin" / "python"
    return python if python.exists() and not wrong_packages(python, wanted) else None


def made(requirements: Path, beside: Path) -> Path:
    """Return the Python of the environment that is made of a list, once, in a folder of its own inside `beside`.

    Raises:
        HubAbsentError: packages are to be fetched, and their index is out of reach; or nothing can be written there, or
            it is not known for which torch.
        UserError: it cannot be made.
    """
    try:
        torch = f"torch=={version('torch')}"
    except PackageNotFoundError:
        raise HubAbsentError(
            f"EuroEval's packages are installed beside torch, and {sys.executable} has none; install those of "
            f"envs/euroeval.txt where jobs run and name that environment in {VARIABLE}."
        ) from None
    key = hashlib.sha256(f"{torch} {sys.version_info[:2]}\n{requirements.read_text(encoding='utf-8')}".encode())
    folder = beside / f"euroeval-{key.hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if (folder / FINISHED).is_file():
        return python
    place = folder.with_suffix(".lock")
    try:
        while (lock := try_lock(place)) is None:
            print(f"{folder} is being made by {holder_of(place)}; waiting", flush=True)
            time.sleep(PAUSE)
    except OSError as error:
        raise HubAbsentError(
            f"{beside} is not to be written to ({error.strerror}), so EuroEval's packages cannot go there; install "
            f"those of envs/euroeval.txt elsewhere and name that environment in {VARIABLE}."
        ) from None
    try:
        if not (folder / FINISHED).is_file():
            _install(folder, torch, requirements)
    finally:
        lock.release()
    return python


def _install(folder: Path, torch: str, requirements: Path) -> None:
    print(f"installing the packages of {requirements} into {folder}: some minutes and 2.3 GB, once", flush=True)
    shutil.rmtree(folder, ignore_errors=True)  # what a killed attempt left
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # torch alone, as the Makefile does; then the list, which is complete, so that nothing else is pulled in.
    for asked in ([torch, "--constraint", str(requirements)], ["--no-deps", "--requirement", str(requirements)]):
        done = subprocess.run([*pip, *asked], stderr=subprocess.PIPE, text=True, check=False)
        sys.stderr.write(done.stderr)
        if done.returncode == 0:
            continue
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        told = (errors or ["pip failed"])[0].rstrip(".")
        shutil.rmtree(folder, ignore_errors=True)
        if "connection broken by" in done.stderr:
            raise HubAbsentError(
                f"EuroEval's packages need the package index, which is out of reach ({told}); run `{COMMAND}` once "
                f"where there is a network, or name an environment that has them in {VARIABLE}."
            )
        raise UserError(
            f"EuroEval's packages could not be installed ({told}); where {torch} comes from another index than PyPI, "
            "name that in PIP_EXTRA_INDEX_URL."
        )
    write_json(folder / FINISHED, {"torch": torch})


def _comparable(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Find or make the environment that EuroEval runs in.")
    listed = Path(__file__).parents[2] / "envs" / "euroeval.txt"
    parser.add_argument("--requirements", type=Path, default=listed, help=f"list of its packages (default: {listed})")
    parser.add_argument("--output", type=Path, help="JSON to write: the interpreter, and a hash of the list")
    arguments = parser.parse_args()
    wanted = pins(arguments.requirements)
    try:
        python = given(wanted) or made(arguments.requirements, Path(sys.prefix))
    except HubAbsentError as error:
        if arguments.output is None:
            raise
        write_unmeasured(arguments.output, str(error))
        return
    print(f"EuroEval {wanted['euroeval']} runs in {python}")
    if arguments.output is not None:
        digest = hashlib.sha256(arguments.requirements.read_bytes()).hexdigest()
        write_json(arguments.output, {"format": FORMAT, "python": str(python), "requirements_sha256": digest})


if __name__ == "__main__":
    run_command(main)
