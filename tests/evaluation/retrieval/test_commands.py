"""Fine-tuning and measuring: what is learnt is measured, wrong labels teach nothing, the best rate is taken."""

import random
import sys
from math import log2
from pathlib import Path

import orjson
import pytest

from common.errors import UserError
from common.files import read_json, write_json
from evaluation.retrieval import fine_tune, measure
from evaluation.retrieval.fine_tune import build
from evaluation.retrieval.ranking import expected_at_random
from evaluation.retrieval.tasks import read_task
from recipe.slices.files import to_json
from recipe.slices.types import RetrievalSlice, RetrievalTaskSlice

PAIRS = 24
CHANCE = sum(1 / log2(rank + 1) for rank in range(1, 11)) / PAIRS


def word(chance: random.Random) -> str:
    return "".join(chance.choice("aeioukstnlmprvhj") for _ in range(6))


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task in a folder with a quote and a space: words that answer other words, to be learnt by heart."""
    folder = tmp_path_factory.mktemp("it's a task")
    chance = random.Random(1)
    pairs = [(f"{word(chance)} {word(chance)}", f"{word(chance)} {word(chance)}") for _ in range(PAIRS)]
    wrong = [answer for _, answer in pairs[1:] + pairs[:1]]
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_bytes(rows({"_id": f"d{n}", "text": answer} for n, (_, answer) in enumerate(pairs)))
    (folder / "queries.jsonl").write_bytes(rows({"_id": f"q{n}", "text": query} for n, (query, _) in enumerate(pairs)))
    for split in ("dev", "test"):
        (folder / "qrels" / f"{split}.tsv").write_text("".join(f"q{n}\td{n}\t1\n" for n in range(PAIRS)))
    (folder / "right.jsonl").write_bytes(rows({"query": query, "positive": answer} for query, answer in pairs))
    mixed = zip(pairs, wrong, strict=True)
    (folder / "wrong.jsonl").write_bytes(rows({"query": query, "positive": answer} for (query, _), answer in mixed))
    return folder


def rows(content) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in content)


def run(monkeypatch: pytest.MonkeyPatch, command, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
    command.main()


def tune(monkeypatch: pytest.MonkeyPatch, model: Path, task: Path, pairs: dict, output: Path, *options: str) -> dict:
    fields = {"seed": 1, "train": [pairs], "dev": {"folder": str(task)}, "length": 16, "warmup": 0.1}
    content = RetrievalSlice.model_validate(fields | {"epochs": 25, "batch": 24})
    slice_path = output.parent / "slice.json"
    slice_path.parent.mkdir(parents=True, exist_ok=True)
    slice_path.write_text(to_json(content))
    options = ("--learning-rate", "3e-3", *options)
    run(monkeypatch, fine_tune, "--slice", slice_path, "--model", model, "--output", output, *options)
    return read_json(output)


def test_right_pairs_are_learnt_wrong_ones_teach_nothing_and_the_best_is_measured(
    exported_model: Path, task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = {name: {"file": str(task / f"{name}.jsonl")} for name in ("right", "wrong")}
    right = tune(monkeypatch, exported_model, task, pairs["right"], tmp_path / "right" / "result.json")
    wrong = tune(monkeypatch, exported_model, task, pairs["wrong"], tmp_path / "wrong" / "result.json", "--untrained")
    assert right["dev"]["ndcg_at_10"] > 0.8
    assert wrong["dev"]["ndcg_at_10"] < 2.5 * CHANCE
    assert (right["how"]["untrained"], wrong["how"]["untrained"]) == (False, True)
    slice_path = tmp_path / "task.json"
    slice_path.write_text(to_json(RetrievalTaskSlice(name="by-heart", seed=1, folder=str(task))))
    candidates = [tmp_path / "wrong" / "result.json", tmp_path / "right" / "result.json"]
    output = tmp_path / "measured.json"
    arguments = ["--slice", slice_path, "--system", "one", "--candidates", *candidates, "--output", output]
    run(monkeypatch, measure, *arguments)
    measured = read_json(output)
    assert measured["value"] == pytest.approx(right["dev"]["ndcg_at_10"])
    assert measured["interval"][0] <= measured["value"] <= measured["interval"][1]
    assert measured["value"] == pytest.approx(sum(measured["scores"].values()) / PAIRS, abs=1e-5)
    assert (measured["queries"], measured["documents"], measured["task"]) == (PAIRS, PAIRS, "by-heart")
    assert [one["file"] for one in measured["how"]["train"]] == [str(task / "right.jsonl")]
    assert measured["how"]["tokens_read"] == 16
    slice_path.write_text(to_json(RetrievalTaskSlice(name="by-heart", seed=1, folder=str(task), length=3)))
    run(monkeypatch, measure, *arguments)
    cut = read_json(output)
    assert cut["how"]["tokens_read"] == 3
    assert cut["value"] < measured["value"], "of a text [CLS], a token and [SEP] are left"
    run(monkeypatch, measure, "--slice", slice_path, "--system", "BM25", "--output", output)
    assert read_json(output)["value"] < 2.5 * CHANCE


@pytest.fixture(scope="module")
def translations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parallel text of two made languages, word by word: pairs to learn from, others to be measured on."""
    folder = tmp_path_factory.mktemp("translations")
    chance = random.Random(2)
    dictionary = [(word(chance), word(chance)) for _ in range(12)]
    texts = [chance.sample(dictionary, 3) for _ in range(240)]
    pairs = [(" ".join(one for one, _ in words), " ".join(other for _, other in words)) for words in texts]
    learnt, tested = pairs[:200], pairs[200:]
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_bytes(rows({"_id": f"d{n}", "text": text} for n, (_, text) in enumerate(tested)))
    (folder / "queries.jsonl").write_bytes(rows({"_id": f"q{n}", "text": text} for n, (text, _) in enumerate(tested)))
    (folder / "qrels" / "dev.tsv").write_text("".join(f"q{n}\td{n}\t1\n" for n in range(len(tested))))
    shuffled = [answer for _, answer in learnt]
    chance.shuffle(shuffled)
    for name, answers in (("right", [answer for _, answer in learnt]), ("shuffled", shuffled)):
        found = zip((query for query, _ in learnt), answers, strict=True)
        (folder / f"{name}.jsonl").write_bytes(rows({"query": one, "positive": other} for one, other in found))
    return folder


def test_pairs_teach_what_was_not_among_them_and_shuffled_ones_leave_an_encoder_at_chance(
    exported_model: Path, translations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {}
    for name in ("right", "shuffled"):
        pairs = {"file": str(translations / f"{name}.jsonl")}
        value[name] = tune(monkeypatch, exported_model, translations, pairs, tmp_path / name / "result.json")["dev"]
    at_random = expected_at_random(read_task("t", translations, "dev"))
    assert at_random == pytest.approx(sum(1 / log2(rank + 1) for rank in range(1, 11)) / 40)
    assert value["right"]["ndcg_at_10"] > 4 * at_random
    assert value["shuffled"]["ndcg_at_10"] < 2 * at_random


def test_an_untrained_encoder_has_the_same_shape_and_other_weights_by_its_seed(exported_model: Path) -> None:
    weights = [
        build(str(exported_model), 32, untrained, seed)[0].model.state_dict()
        for untrained, seed in ((False, 1), (True, 1), (True, 1), (True, 2))
    ]
    name = "layers.0.attn.Wqkv.weight"
    assert len({one[name].shape for one in weights}) == 1
    assert weights[1][name].equal(weights[2][name])
    assert not weights[0][name].equal(weights[1][name])
    assert not weights[1][name].equal(weights[3][name])


def test_out_of_reach_of_the_hub_training_and_all_that_is_measured_of_it_say_so(
    exported_model: Path, task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    output = tmp_path / "far" / "result.json"
    tuned = tune(monkeypatch, exported_model, task, {"hub": "someone/pairs"}, output)
    assert "someone/pairs needs the hub, which is out of reach" in tuned["unmeasured"]
    assert (tuned["learning_rate"], tuned.keys()) == (3e-3, {"format", "learning_rate", "unmeasured"})
    near, far = {"folder": str(task)}, {"mteb": "SciFact"}
    for content, candidates, reason in ((near, [output], "someone/pairs"), (far, [], "SciFact")):
        slice_path = tmp_path / "task.json"
        slice_path.write_text(to_json(RetrievalTaskSlice(name="one", seed=1, **content)))
        result = tmp_path / "measured.json"
        arguments = ["--slice", slice_path, "--system", "anvil", "--candidates", *candidates, "--output", result]
        run(monkeypatch, measure, *arguments)
        measured = read_json(result)
        assert f"{reason} needs the hub" in measured["unmeasured"]
        assert (measured["system"], measured["task"]) == ("anvil", "one")


def test_of_equal_scores_the_lowest_rate_is_chosen(tmp_path: Path) -> None:
    for name, rate, score in (("a", 3e-4, 0.5), ("b", 1e-4, 0.5), ("c", 1e-3, 0.4)):
        write_json(tmp_path / name, {"format": 1, "learning_rate": rate, "dev": {"ndcg_at_10": score}})
    assert measure.choose([tmp_path / name for name in "abc"])[0] == tmp_path / "b"
    write_json(tmp_path / "d", {"format": 0})
    with pytest.raises(UserError, match="is no result of a fine-tuning"):
        measure.choose([tmp_path / "d"])
