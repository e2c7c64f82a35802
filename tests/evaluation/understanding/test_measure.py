"""The command: what can be learnt is, shuffled labels teach nothing, pre-training shows, the best rate is taken."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from common.errors import UserError
from common.files import read_json
from evaluation.understanding import measure
from evaluation.understanding.classification import Classification
from evaluation.understanding.examples import Text, read_splits
from evaluation.understanding.fine_tuning import build, outputs, read_tokenizer, train
from recipe.slices.files import to_json
from recipe.slices.types import UnderstandingSlice

TREES, TOOLS = ["kuusi", "koivu", "tammi", "haapa"], ["vasara", "pihti", "taltta", "saha"]
FIELDS = {"seed": 1, "learning_rates": [3e-3], "seeds": 2, "epochs": 4, "batch": 8, "length": 48, "warmup": 0.1}


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    for part, own in {"train": rows[:120], "dev": rows[120:150], "test": rows[150:]}.items():
        (folder / f"{name}-{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks by construction: trees or tools, which words are either, and where the tool is in a sentence."""
    folder = tmp_path_factory.mktemp("it's a task")
    chance = random.Random(1)
    lists = [[chance.choice(TREES if number % 2 else TOOLS) for _ in range(3)] for number in range(230)]
    texts = [{"text": " ".join(words), "label": "tree" if words[0] in TREES else "tool"} for words in lists]
    write(folder, "right", texts)
    labels = [row["label"] for row in texts]
    chance.shuffle(labels)
    write(folder, "shuffled", [{"text": row["text"], "label": label} for row, label in zip(texts, labels, strict=True)])
    mixed = [[chance.choice(TREES + TOOLS + ["ja", "on"]) for _ in range(5)] for _ in range(230)]
    names = {**dict.fromkeys(TREES, "B-TREE"), **dict.fromkeys(TOOLS, "B-TOOL")}
    write(folder, "tags", [{"words": own, "labels": [names.get(word, "O") for word in own]} for own in mixed])
    asked = []
    for _ in range(230):
        tool, place = chance.choice(TOOLS), chance.randrange(4)
        words = [chance.choice(TREES) for _ in range(4)]
        words[place] = tool
        context = " ".join(words)
        answers = {"text": [tool], "answer_start": [context.index(tool)]}
        asked.append({"question": "mikä on?", "context": context, "answers": answers})
    asked[0]["answers"]["answer_start"] = [99]
    write(folder, "questions", asked)
    return folder


def content(folder: Path, name: str, kind: str, **changed: Any) -> UnderstandingSlice:
    files = {part: str(folder / f"{name}-{part}.jsonl") for part in ("train", "dev", "test")}
    return UnderstandingSlice.model_validate({"name": name, "kind": kind, "language": "fi"} | files | FIELDS | changed)


def run(monkeypatch: pytest.MonkeyPatch, task: UnderstandingSlice, model: Path, output: Path, *options: str) -> Any:
    slice_path = output.with_name("slice.json")
    slice_path.write_text(to_json(task))
    arguments = ["--slice", slice_path, "--model", model, "--system", "one", "--output", output, *options]
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
    measure.main()
    return read_json(output)


def test_right_labels_are_learnt_and_shuffled_ones_leave_an_encoder_at_chance(
    exported_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = run(monkeypatch, content(folder, "right", "classification"), exported_model, tmp_path / "a.json")
    assert right["metric"] == "macro_f1"
    assert right["value"] > 0.9
    assert right["interval"][0] <= right["value"] <= right["interval"][1]
    assert (right["examples"], right["seeds"], len(right["values"])) == (80, [1, 2], 2)
    assert right["value"] == pytest.approx(sum(right["values"]) / 2)
    assert right["baseline"] == pytest.approx(1 / 3), "one of two labels, half of the time"
    assert right["also"]["accuracy"]["value"] == pytest.approx(right["value"], abs=0.02)
    assert [len(own) for own in right["counts"]] == [80, 80]
    assert right["how"]["examples"] == {"train": 120, "dev": 30}
    shuffled = run(monkeypatch, content(folder, "shuffled", "classification"), exported_model, tmp_path / "b.json")
    assert 0.25 < shuffled["also"]["accuracy"]["value"] < 0.7


def test_the_same_command_gives_the_same_bytes_and_another_seed_another_result(
    exported_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        task = content(folder, "shuffled", "classification", epochs=1, seed=seed)
        run(monkeypatch, task, exported_model, tmp_path / f"{name}.json", "--untrained")
    one, same, other = (tmp_path / f"{name}.json" for name in "abc")
    assert one.read_bytes() == same.read_bytes()
    assert read_json(one)["counts"] != read_json(other)["counts"]
    assert read_json(one)["how"]["untrained"] is True


def test_entities_and_answers_are_learnt(
    exported_model: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tags = run(monkeypatch, content(folder, "tags", "tagging", seeds=1), exported_model, tmp_path / "a.json")
    assert (tags["metric"], list(tags["also"])) == ("span_f1", ["accuracy"])
    assert tags["value"] > 0.9
    assert tags["baseline"] == 1, "each word has one label"
    task = content(folder, "questions", "qa", seeds=1, epochs=8)
    found = run(monkeypatch, task, exported_model, tmp_path / "b.json")
    assert (found["metric"], list(found["also"])) == ("token_f1", ["exact_match"])
    assert found["value"] > 2 * found["baseline"]
    assert (tags["how"]["mended"], found["how"]["mended"]) == ({}, {"train": {"moved": 1, "left_out": 0}})
    assert "train: 1 questions whose answers stand elsewhere, 0 left out" in capsys.readouterr().out


def test_an_untrained_encoder_of_the_same_shape_is_below_one_that_has_learnt_the_words(
    exported_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = content(folder, "right", "classification", epochs=6)
    splits = read_splits(task, 1)
    kind = Classification(read_tokenizer(str(exported_model), 64)[0], 48, splits.train)
    model = build(str(exported_model), kind.head, 2, untrained=False, seed=1)
    train(model, kind.inputs(splits.train, learn=True), task, 3e-3, 1)
    shutil.copytree(exported_model.parent, tmp_path / "learnt")
    torch.nn.init.normal_(model.classifier.weight, std=0.2)
    model.save_pretrained(tmp_path / "learnt")
    few = [json.dumps({"text": one.text, "label": one.label}) + "\n" for one in [*splits.dev, *splits.test]]
    for part, rows in {"train": few[:5], "dev": few[5:30], "test": few[30:]}.items():
        (tmp_path / f"few-{part}.jsonl").write_text("".join(rows))
    task = content(tmp_path, "few", "classification", epochs=10, learning_rates=[1e-3])
    learnt = run(monkeypatch, task, tmp_path / "learnt" / "config.json", tmp_path / "a.json")
    untrained = run(monkeypatch, task, tmp_path / "learnt" / "config.json", tmp_path / "b.json", "--untrained")
    assert untrained["interval"][1] < learnt["interval"][0]


def test_the_rate_that_is_best_on_the_dev_examples_is_taken_of_equal_ones_the_lowest(
    exported_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = content(folder, "right", "classification", seeds=1, learning_rates=[3e-3, 1e-9])
    found = run(monkeypatch, task, exported_model, tmp_path / "a.json")
    assert found["how"]["learning_rate"] == 3e-3
    assert found["how"]["tried"]["0.003"] > found["how"]["tried"]["1e-09"]
    task = content(folder, "right", "classification", seeds=1, learning_rates=[2e-9, 1e-9])
    assert run(monkeypatch, task, exported_model, tmp_path / "b.json")["how"]["learning_rate"] == 1e-9


def test_what_is_said_of_an_input_does_not_depend_on_what_is_beside_it(exported_model: Path) -> None:
    texts = [Text(" ".join(["vasara"] * (1 + number % 7)), "ab"[number % 2]) for number in range(20)]
    kind = Classification(read_tokenizer(str(exported_model), 64)[0], 64, texts)
    model = build(str(exported_model), kind.head, 2, untrained=False, seed=1)
    inputs = kind.inputs(texts, learn=False)
    together = {one.example: found["logits"] for one, found in outputs(model, inputs)}
    for one in inputs:
        ((_, alone),) = outputs(model, [one])
        assert alone["logits"] == pytest.approx(together[one.example], abs=1e-5)


def test_out_of_reach_of_the_hub_the_result_says_so(
    exported_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    task = content(folder, "right", "classification", hub="someone/texts", train="train", dev="", test="test")
    found = run(monkeypatch, task, exported_model, tmp_path / "a.json")
    assert "someone/texts needs the hub, which is out of reach" in found["unmeasured"]
    far = run(monkeypatch, content(folder, "right", "classification"), Path("someone/model"), tmp_path / "b.json")
    assert "the model someone/model needs the hub, which is out of reach" in far["unmeasured"]
    assert found.keys() == {"format", "system", "task", "kind", "language", "unmeasured"}


def test_mistakes_are_told(exported_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="all examples have the label 'a'"):
        Classification(read_tokenizer(str(exported_model), 64)[0], 64, [Text("x", "a")])
    with pytest.raises(UserError, match=r"config\.json does not exist; export the model"):
        read_tokenizer(str(tmp_path / "config.json"), 64)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no model that loads"):
        build(str(tmp_path / "config.json"), Classification.head, 2, untrained=False, seed=1)
