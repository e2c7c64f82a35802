"""A phase that is finished is not run again, and a job that makes something else is not waited for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import digest_of, write_json
from common.finished import write_finished
from slurm.records.job import write_start
from tests.slurm.fake.lives import MINUTE, Killed, finishes
from tests.slurm.fake.scheduler import FakeJob, FakeSlurm

pytest_plugins = ["tests.slurm.fake.plugin"]


@pytest.fixture
def slurm(fake_slurm: FakeSlurm) -> FakeSlurm:
    """The stand-in, and a phase that is made from a slice."""
    content = fake_slurm.request.folder / "slice.json"
    content.write_text("{}")
    fake_slurm.request = replace(fake_slurm.request, inputs=(content,))
    return fake_slurm


def finishes_and_loses_the_result(job: FakeJob) -> Iterator[float]:
    """The ranks make the result; somebody deletes it before the job has ended."""
    job.start()
    yield MINUTE
    request = job.slurm.request
    manifest = request.folder / "made.json"
    write_json(manifest, {"files": []})
    write_finished(request.done, {"step": 1}, digest_of(request.inputs), manifest)
    job.finish()
    request.done.unlink()


def test_a_result_that_was_deleted_after_the_end_is_made_again_without_a_job(
    slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    slurm.lives = [finishes_and_loses_the_result]
    slurm.launch()
    slurm.request.done.unlink()
    slurm.launch()
    assert slurm.request.done.exists()
    assert list(slurm.states()) == ["101"]
    assert capsys.readouterr().err.count("made it again") == 2


def test_a_result_of_other_inputs_is_not_made_again(slurm: FakeSlurm) -> None:
    slurm.lives = [finishes_and_loses_the_result, finishes]
    slurm.launch()
    slurm.request.done.unlink()
    slurm.request.inputs[0].write_text('{"other": 1}')
    slurm.launch()
    assert list(slurm.states()) == ["101", "102"]


def test_a_job_that_began_with_another_recipe_is_told_and_left_alone(slurm: FakeSlurm) -> None:
    def trains_for_long(job: FakeJob) -> Iterator[float]:
        job.start()
        write_start(slurm.jobs, job.job_id, 0, 0, digest_of(slurm.request.inputs))
        yield MINUTE
        raise Killed

    slurm.lives = [trains_for_long]
    with pytest.raises(Killed):
        slurm.launch()
    slurm.request.inputs[0].write_text('{"other": 1}')
    with pytest.raises(UserError, match=r"job 101 .* before the recipe or the data changed.*`scancel 101`"):
        slurm.launch()
    assert slurm.states() == {"101": "RUNNING"}


def test_a_job_that_has_not_begun_reads_the_recipe_as_it_will_be(slurm: FakeSlurm) -> None:
    def waits(job: FakeJob) -> Iterator[float]:
        job.state("PENDING", "Priority")
        yield MINUTE
        raise Killed

    slurm.lives = [waits]
    with pytest.raises(Killed):
        slurm.launch()
    slurm.request.inputs[0].write_text('{"other": 1}')
    slurm.lives = [finishes]
    slurm._going.clear()
    slurm.launch()
    assert list(slurm.states()) == ["101"]


@pytest.mark.parametrize("makes", [True, False])
def test_what_a_shortcut_makes_takes_no_job(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, makes: bool
) -> None:
    program = "import pathlib, sys\nassert sys.argv[1] == '--to'\n"
    (tmp_path / "quick.py").write_text(program + ("pathlib.Path(sys.argv[2]).write_text('{}')" if makes else ""))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = (sys.executable, "-m", "slow", "--to", str(slurm.request.done))
    slurm.request = replace(slurm.request, command=command, shortcut="quick")
    slurm.lives = [finishes]
    slurm.launch()
    assert list(slurm.states()) == ([] if makes else ["101"])


def test_a_shortcut_that_fails_submits_nothing(slurm: FakeSlurm) -> None:
    slurm.request = replace(slurm.request, command=("python", "-m", "slow"), shortcut="no.such.module")
    with pytest.raises(UserError, match=r"no\.such\.module ended with status 1.*no job was submitted"):
        slurm.launch()
    assert slurm.states() == {}
