"""The front matter of a card, as the hub's own library reads it and asks the hub about it; licence and limits."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData, constants, metadata_load
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from pydantic import ValidationError

from common.files import read_json, write_json
from recipe.publish import Publish
from tests.workflow.finished import change
from workflow.report.card import render
from workflow.report.card_metadata import front_matter, hub_languages
from workflow.report.results import Results


@pytest.fixture(scope="module")
def card(finished: Path) -> str:
    return render(Results(finished), "small")


def test_front_matter_is_what_the_hub_reads(finished: Path) -> None:
    metadata = yaml.safe_load(render(Results(finished), "small-fi").split("---\n")[1])
    assert metadata["language"] == ["en", "fi", "la", "sme", "sv"]
    assert metadata["library_name"] == "transformers"
    assert metadata["pipeline_tag"] == "fill-mask"
    assert metadata["license"] == "other"
    assert all(entry["text"].count("[MASK]") == 1 for entry in metadata["widget"])
    assert "datasets" not in metadata


def test_the_library_of_the_hub_reads_the_card_and_writes_the_same(card: str, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(card)
    metadata = metadata_load(path)
    read = ModelCard.load(path)
    assert isinstance(read.data, ModelCardData)
    assert metadata_load(path) == read.data.to_dict() == yaml.safe_load(read.data.to_yaml())
    assert read.text == card.split("---\n", 2)[2]
    name, results = model_index_to_eval_results(metadata["model-index"])
    assert (name, len(results)) == ("small", 3)
    assert read.data.eval_results == results
    assert eval_results_to_model_index(name, results) == metadata["model-index"]


@pytest.fixture
def validator(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What was asked of an endpoint that validates cards, and refuses those without a licence."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            asked.append({"path": self.path} | json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if "\nlicense: " in asked[-1]["content"] else 400)
            self.end_headers()
            self.wfile.write(b'"license" is required')

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        yield asked
        server.shutdown()


def test_the_card_is_sent_whole_to_the_endpoint_that_validates_it(card: str, validator: list[dict[str, Any]]) -> None:
    read = ModelCard(card)
    read.validate()
    assert validator == [{"path": "/api/validate-yaml", "repoType": "model", "content": str(read)}]
    read.data.license = None
    with pytest.raises(ValueError, match="required"):
        read.validate()


def test_languages_are_those_that_the_hub_takes() -> None:
    assert hub_languages(["no", "fi-sv", "fi", "code", "sme"]) == ["code", "fi", "no", "sme", "sv"]
    assert hub_languages(["sh", "xx"]) == ["hbs"]  # the first was taken out of ISO 639-1, the second never was in it
    assert yaml.safe_load(front_matter(["no"], Publish(), [], [], []))["language"] == ["no"]


def test_data_sets_of_the_hub_are_named_once(results: Path) -> None:
    files = ["hf://datasets/org/set@main/a.parquet", "hf://datasets/org/set/b.parquet", "text/c.jsonl"]
    change(results / "recipe" / "source" / "udhr-fi.json", files=files)
    metadata = yaml.safe_load(render(Results(results), "small").split("---\n")[1])
    assert metadata["datasets"] == ["org/set"]


def test_the_licence_of_the_recipe_is_in_the_metadata_and_in_words(results: Path) -> None:
    assert "The recipe names no licence" in render(Results(results), "small")
    write_json(results / "recipe" / "publish.json", {"license": "apache-2.0"})
    text = render(Results(results), "small")
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "apache-2.0"
    assert "The weights are under apache-2.0." in text
    own = {"license": "other", "license_name": "our-terms", "license_link": "https://example.org/terms"}
    write_json(results / "recipe" / "publish.json", own)
    text = render(Results(results), "small")
    assert own.items() <= yaml.safe_load(text.split("---\n")[1]).items()
    assert "The weights are under [our-terms](https://example.org/terms)." in text


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"license": "Apache 2.0"}, "pattern"),
        ({"license": "other"}, "license_name and license_link"),
        ({"license": "mit", "license_name": "mine"}, "leave it out"),
        ({"license_link": "https://example.org"}, "needs a license"),
        ({"license": "mit", "license_link": "LICENSE"}, "pattern"),
    ],
)
def test_a_licence_that_the_hub_would_refuse_is_a_mistake_in_the_recipe(keys: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Publish(**keys)


def test_limits_follow_from_tokens_lengths_losses_and_contamination(results: Path, card: str) -> None:
    assert "- It knows no language but those it was trained on: " in card
    assert "The longest rows that it was trained on have 256 tokens; cut longer text into pieces." in card
    assert "Held-out loss at 256 tokens, nats per masked token, the best language first: en 5.26, " in card
    assert "- 5 training documents held text of evaluation sets (quiz), word for word; that was cut out" in card
    told = read_json(results / "statistics.json")
    told["contamination"] |= {"cut_out": False}
    write_json(results / "statistics.json", told)
    assert "word for word, and it was left in: what is measured on them is better" in render(Results(results), "small")


def test_a_language_of_which_little_was_seen_is_named(results: Path) -> None:
    state = next((results / "runs" / "small").glob("*/checkpoints/*/state.json"))
    position = read_json(state)["position"]
    little = Results(results).lineage("small").languages["sme"]
    drawn = {source: 1 if source in little else 10_000_000 for source in position["drawn"]}
    change(state, position=position | {"drawn": drawn})
    assert "It has seen little of sme (" in render(Results(results), "small")


def test_a_model_that_did_not_begin_from_scratch_says_so_without_a_path_of_this_machine(
    results: Path, card: str
) -> None:
    assert "trained from scratch by" in card
    assert "not told here" not in card
    recipe = read_json(results / "recipe" / "recipe.json")
    (model,) = recipe["models"].values()
    model["start"] = {"directory": "/scratch/mine/mmbert-base"}
    recipe["runs"]["small"]["average"] = {"checkpoints": 2, "every_tokens": 16_384}
    write_json(results / "recipe" / "recipe.json", recipe)
    text = render(Results(results), "small")
    assert "trained from the weights of `mmbert-base`, which others have trained before, by" in text
    assert "their licence, their text and their contamination are not told here" in text
    assert "Its weights are the mean of 2 checkpoints of its last phase, 16.4k slots apart." in text
    assert "/scratch" not in text
