"""What runs beside a launch lives as long as it, and decides nothing."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common.processes import start_ticks
from slurm.beside import Beside
from tests.slurm.standin import Phase, end_of, wait_for

MakePhase = Callable[..., Phase]
LISTENER = """
import signal, sys, time
from pathlib import Path

told = Path(sys.argv[1])
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
import os
told.write_text(str(os.getpid()))
while not ended:
    time.sleep(0.02)
told.write_text("asked to end, with " + " ".join(sys.argv[2:]))
"""


def listener(folder: Path) -> str:
    (folder / "listener.py").write_text(LISTENER)
    return shlex.join([sys.executable, "-S", str(folder / "listener.py"), str(folder / "told")])


def test_it_is_asked_to_end_when_the_phase_is_done_however_soon_that_is(make_phase: MakePhase) -> None:
    phase = make_phase()
    (phase.folder / "done.json").touch()
    assert phase.launch_to_end("--beside", listener(phase.folder))[0] == 0
    assert (phase.folder / "told").read_text().startswith("asked to end")


def test_ctrl_c_is_for_the_launch_alone_and_ends_it_in_order(make_phase: MakePhase) -> None:
    phase = make_phase()
    launch = phase.launch("--beside", listener(phase.folder))
    wait_for(lambda: len(phase.living()) == 2 and (phase.folder / "told").exists())
    os.kill(int((phase.folder / "told").read_text()), signal.SIGINT)
    launch.send_signal(signal.SIGINT)
    assert end_of(launch)[0] == 130
    assert (phase.folder / "told").read_text().startswith("asked to end")


def test_it_dies_with_a_launch_that_is_killed(make_phase: MakePhase) -> None:
    phase = make_phase()
    launch = phase.launch("--beside", listener(phase.folder))
    wait_for(lambda: (phase.folder / "told").exists() and (phase.folder / "told").read_text())
    pid = int((phase.folder / "told").read_text())
    launch.kill()
    wait_for(lambda: start_ticks(pid) is None)


@pytest.mark.parametrize(
    ("command", "said"),
    [("no-such-program", "cannot start 'no-such-program' beside the phase"), ("false", ""), ("sh -c 'kill -9 $$'", "")],
)
def test_what_fails_beside_it_fails_no_phase(make_phase: MakePhase, command: str, said: str) -> None:
    phase = make_phase()
    phase.finish()
    status, output = phase.launch_to_end("--beside", command)
    assert status == 0
    assert said in output
    assert "Traceback" not in output


def test_what_does_not_end_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    process = Beside("sleep", ["60"])
    process.end(0.1)  # it has SIGTERM blocked, and never listens
    assert "took longer than 0.1 s to end, and was killed" in capfd.readouterr().err
