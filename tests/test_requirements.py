"""The lists of packages agree with each other, and the short one is enough for a login node."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).parents[1] / "envs"


def pins(name: str) -> dict[str, str]:
    """Return the version of each package that a file pins."""
    lines = [line.partition("#")[0].strip() for line in (ENVS / name).read_text(encoding="utf-8").splitlines()]
    return {
        canonicalize_name(package): version for package, version in re.findall(r"(?m)^(\S+)==(\S+)$", "\n".join(lines))
    }


@pytest.mark.parametrize("name", ["requirements.in", "login.txt"])
def test_every_pin_is_that_of_common(name: str) -> None:
    listed = pins(name).items() - {("torch", pins("cpu.txt")["torch"])}
    assert listed
    assert listed <= pins("common.txt").items()


def test_a_tracker_fits_beside_all_packages_and_beside_those_of_a_login_node() -> None:
    tracker = pins("tracker.txt")
    needed = {
        canonicalize_name(requirement.name)
        for package in tracker
        for requirement in map(Requirement, requires(package) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    for name in ("common.txt", "login.txt"):
        others = pins(name)
        assert {
            package: version for package, version in tracker.items() if others.get(package, version) != version
        } == {}
        assert needed <= tracker.keys() | others.keys()


def test_every_list_that_is_named_is_there() -> None:
    root = ENVS.parent
    texts = [*root.glob("docs/*.md"), *root.glob("*.md"), *ENVS.iterdir(), root / "Makefile", root / ".ci/run"]
    named = {name for path in texts for name in re.findall(r"\benvs/[\w.-]*\w", path.read_text(encoding="utf-8"))}
    assert named
    assert not [name for name in named if not (root / name).is_file()]


def test_common_is_pinned_and_sorted_without_torch() -> None:
    lines = (ENVS / "common.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert len(lines) == len(pins("common.txt"))
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0].lower())
    assert "torch" not in pins("common.txt")


def test_a_login_node_needs_nothing_beyond_its_list() -> None:
    needed = {
        canonicalize_name(requirement.name)
        for package in pins("login.txt")
        for requirement in map(Requirement, requires(package) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert needed <= pins("login.txt").keys()


ONLY_LISTED = """
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions
from packaging.utils import canonicalize_name

allowed, program = set(sys.argv[1].split()), sys.argv[2:]
owners = packages_distributions()


class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        distributions = owners.get(name.partition(".")[0], [])
        if distributions and not any(canonicalize_name(one) in allowed for one in distributions):
            raise ModuleNotFoundError(f"a login node has no {name}", name=name)


sys.meta_path.insert(0, Refuse())
import runpy

sys.argv = program
runpy.run_module(program[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "command",
    [
        ["slurm.launch", "--help"],
        ["workflow.plan", "--help"],
        ["slurm.status", "--help"],
        ["workflow.cli", "check", "config/demo.yaml"],
        ["workflow.cli", "explain", "--help"],
        ["workflow.cli", "report", "--help"],
        ["workflow.cli", "schema"],
        ["workflow.cli", "publish", "--help"],
        ["workflow.cli.terminal.plugin.snakemake_logger_plugin_alasin_terminal.__init__"],
        ["snakemake", "--profile", "profiles/slurm", "--configfile", "config/demo.yaml", "--dry-run", "--directory"],
    ],
    ids=lambda command: command[0],
)
def test_a_login_node_runs(command: list[str], tmp_path: Path) -> None:
    directory = [str(tmp_path)] if command[0] == "snakemake" else []
    allowed = ["alasin", *pins("login.txt")]  # The project itself is a distribution where it is installed.
    ran = subprocess.run(
        [sys.executable, "-c", ONLY_LISTED, " ".join(allowed), *command, *directory],
        cwd=ENVS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr or ran.stdout
