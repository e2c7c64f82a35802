"""A measurement by EuroEval: what its interpreter is given, and what it leaves is read back."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from common.errors import UserError
from common.files import read_json, write_json
from evaluation.euroeval.measure import main, read_back
from recipe.slices.types import EuroEvalSlice

RECORDED = Path(__file__).with_name("recorded.json")
"""What the runner left of a real measurement."""
INTERPRETER = """#!/bin/sh
# Stands for EuroEval's Python: says that it is given nothing of this one, and leaves what was recorded.
[ "$1 $2 $3" = "-I -X utf8" ] || exit 9
cp "$5" {seen}/job.json
env > {seen}/environment
cp {result} "$6"
"""


def given(folder: Path, name: str = "mine", result: Any = None, **local: Any) -> list[str]:
    """The arguments of a measurement in a folder, with a stand-in for EuroEval that leaves `result`."""
    rows = [{"text": f"text {place}", "label": "AB"[place % 2]} for place in range(20)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = dict.fromkeys(("train", "dev", "test"), str(folder / "rows.jsonl"))
    described = {"kind": "classification", "language": "sv"} | files | local if name == "mine" else None
    write_json(folder / "slice.json", {"name": name, "seed": 1, "iterations": 2, "local": described})
    write_json(folder / "result.json", read_json(RECORDED) if result is None else result)
    (folder / "python").write_text(INTERPRETER.format(seen=folder, result=folder / "result.json"))
    (folder / "python").chmod(0o755)
    write_json(folder / "environment.json", {"python": str(folder / "python"), "requirements_sha256": "abc"})
    return [f"--slice={folder}/slice.json", f"--environment={folder}/environment.json", "--system=small"]


def measured(folder: Path, model: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The result of a measurement."""
    output = folder / "out" / "small.json"
    monkeypatch.setattr(sys, "argv", ["measure", *arguments, f"--model={model}", f"--output={output}"])
    main()
    assert [path.name for path in output.parent.iterdir()] == ["small.json"]
    return read_json(output)


def test_the_interpreter_gets_a_copy_of_the_model_and_its_result_is_read_back(
    exported_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured(tmp_path, exported_model, given(tmp_path), monkeypatch)
    job = read_json(tmp_path / "job.json")
    assert Path(job["model"]).parent == Path(job["folder"]) == tmp_path / "out" / ".small.work"
    assert (job["dataset"], job["iterations"]) == ("mine", 2)
    assert (job["local"]["kind"], job["local"]["labels"]) == ("classification", ["a", "b"])
    assert "HF_HUB_OFFLINE=1" in (tmp_path / "environment").read_text().splitlines()
    assert (found["system"], found["task"], found["kind"], found["language"]) == (
        "small",
        "mine",
        "classification",
        "sv",
    )
    assert (found["metric"], found["iterations"], found["examples"]) == ("mcc", 2, 60)
    assert found["how"]["packages"] == "abc"
    assert found["how"]["untrained"] is False


def test_scores_are_in_points_of_a_hundred_with_the_interval_that_euroeval_tells() -> None:
    recorded = read_json(RECORDED)
    content = EuroEvalSlice(name="scala-sv", seed=1, iterations=2)
    found = read_back(recorded, content, untrained=True)
    total, raw = (recorded["record"]["results"][part] for part in ("total", "raw"))
    assert found["value"] == total["test_mcc"]
    low, high = found["interval"]
    assert (low + high) / 2 == pytest.approx(found["value"])
    assert (high - low) / 2 == pytest.approx(total["test_mcc_se"])
    assert found["values"] == pytest.approx([100 * one["test_mcc"] for one in raw])
    assert sum(found["values"]) / 2 == pytest.approx(found["value"])
    assert list(found["also"]) == ["macro_f1"]
    assert found["language"] == "sv"
    assert found["how"]["examples"] == {"train": 100, "dev": 100}
    assert found["how"]["euroeval"] == "16.11.0"


def test_a_model_that_tells_no_length_is_read_as_euroeval_does() -> None:
    recorded = read_json(RECORDED)
    recorded["record"]["max_sequence_length"] = -1
    assert read_back(recorded, EuroEvalSlice(name="a", seed=1, iterations=2), False)["how"]["tokens_read"] == 512


def test_where_the_packages_could_not_be_fetched_the_result_says_so(
    exported_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = given(tmp_path)
    write_json(tmp_path / "environment.json", {"format": 1, "unmeasured": "no index."})
    found = measured(tmp_path, exported_model, arguments, monkeypatch)
    assert found == {"format": 1, "system": "small", "task": "mine", "unmeasured": "no index."}


@pytest.mark.parametrize("answer", ["none", "offline", 503])
def test_a_data_set_of_the_hub_out_of_reach_is_told_in_the_result(
    exported_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str | int
) -> None:
    def head(*_: Any, **__: Any) -> SimpleNamespace:
        if answer == "none":
            raise httpx2.ConnectError("Name or service not known")
        return SimpleNamespace(status_code=answer)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", answer == "offline")
    monkeypatch.setattr("huggingface_hub.get_session", lambda: SimpleNamespace(head=head))
    failed = {"failed": "InvalidBenchmark: Failed to load dataset."}
    found = measured(tmp_path, exported_model, given(tmp_path, "scala-sv", failed), monkeypatch)
    told = "EuroEval's data set scala-sv needs the hub, which is out of reach, and is not kept below HF_HOME;"
    assert found["unmeasured"].startswith(f"{told} fetch it once where there is a network")
    # What is kept of it is found without asking.
    assert "HF_HUB_OFFLINE=1" in (tmp_path / "environment").read_text().splitlines()
    assert Path(read_json(tmp_path / "job.json")["cache"]).name == "euroeval"


def test_a_hub_that_answers_is_asked_by_euroeval_itself_and_its_failure_is_an_error(
    exported_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = SimpleNamespace(head=lambda *_, **__: SimpleNamespace(status_code=200))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: reached)
    failed = {"failed": "InvalidBenchmark: Failed to load dataset."}
    with pytest.raises(UserError, match=r"could not measure scala-sv \(InvalidBenchmark: Failed to load dataset\)\."):
        measured(tmp_path, exported_model, given(tmp_path, "scala-sv", failed), monkeypatch)
    assert "HF_HUB_OFFLINE=1" not in (tmp_path / "environment").read_text().splitlines()


def test_another_failure_is_an_error_with_euroevals_own_words_and_leaves_nothing(
    exported_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"failed": "InvalidBenchmark: NaN\nvalue"}
    with pytest.raises(UserError, match=r"could not measure mine \(InvalidBenchmark: NaN value\)"):
        measured(tmp_path, exported_model, given(tmp_path, result=failed), monkeypatch)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(UserError, match="ended with status 3 before it was done"):
        measured(tmp_path, exported_model, given_again(tmp_path), monkeypatch)
    (tmp_path / "python").unlink()
    with pytest.raises(UserError, match=r"does not run; delete results/euroeval/environment\.json"):
        measured(tmp_path, exported_model, given_again(tmp_path), monkeypatch)


def given_again(folder: Path) -> list[str]:
    """The arguments as they were, whatever became of the interpreter."""
    return [f"--slice={folder}/slice.json", f"--environment={folder}/environment.json", "--system=small"]
