"""envs/lumi.sh with stand-ins for LUMI's programs: what it leaves, and what it leaves alone."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    "module": "",
    "singularity": "cat > /dev/null",
    "mksquashfs": 'echo packages > "$2"',
    # `python3 -m venv [--clear] DIRECTORY`
    "python3": '[ "$2" = venv ] || exit 0\n'
    '[ "$3" = --clear ] && rm -rf "$4"\n'
    'for directory; do :; done; mkdir -p "$directory/bin"; touch "$directory/bin/activate"\n'
    'printf "#!/bin/sh\\n" > "$directory/bin/pip"; chmod +x "$directory/bin/pip"',
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\n{script}\n")
        (programs / name).chmod(0o755)
    image = tmp_path / "lumi-multitorch-full-20260101.sif"
    image.touch()
    times = iter(("20260101-000000", "20260102-000000"))

    def run() -> Path:
        (programs / "date").write_text(f"#!/bin/sh\necho {next(times)}\n")
        (programs / "date").chmod(0o755)
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "USER": "me"}
        command = ["bash", ROOT / "envs/lumi.sh", tmp_path / "alasin", image]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return tmp_path / "alasin"

    return run


def named(target: Path) -> list[Path]:
    """Return the files below `target` that activate.sh names."""
    words = (target / "activate.sh").read_text().replace("=", " ").split()
    return [Path(word) for word in words if word.startswith(str(target))]


def test_what_a_running_snakemake_uses_stays_as_it_is_when_the_environment_is_made_again(install):
    before = named(install())
    assert len(before) == 2
    for path in before:
        path.write_text("in use")
    after = named(install())
    assert not set(before) & set(after)
    assert [path.read_text() for path in before] == ["in use"] * 2
    assert all(path.is_file() for path in after)


def test_euroevals_packages_come_beside_and_are_named_once_however_often_they_are_made(install, tmp_path: Path):
    target = install()
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "USER": "me"}
    command = ["bash", ROOT / "envs/lumi-euroeval.sh", target]
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    lines = (target / "activate.sh").read_text().splitlines()
    packages = target / "euroeval-20260101-000000.sqsh"
    assert packages.is_file()
    assert lines[-2:] == ["export ALASIN_EUROEVAL=/user-euroeval", f"export ALASIN_EUROEVAL_PACKAGES={packages}"]
    assert sum("ALASIN_EUROEVAL" in line for line in lines) == 2
    nowhere = subprocess.run([*command[:2], tmp_path], capture_output=True, text=True, check=False)
    assert nowhere.returncode == 1
    assert "the directory with activate.sh" in nowhere.stderr
