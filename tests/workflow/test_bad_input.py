"""What a person does wrong, through the real command: each mistake is one sentence that says what, where, what next."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from recipe.reading import load_recipe
from tests.workflow.test_whole_recipe import RECIPE, ROOT, House, changed
from workflow.dag import Dag

TEXT = "".join(json.dumps({"text": f"document {n} says {n * n}"}) + "\n" for n in range(60))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("bad 'input'"))


def refused(output):
    """The lines of an error, without Snakemake's own frame; a traceback is no answer to a user."""
    assert "Traceback" not in output, output
    return output


def test_every_bad_source_is_named_with_what_to_do_and_the_good_ones_are_sampled(house):
    content = {
        "cut": ("cut.jsonl.gz", b"\x1f\x8b\x08\x00\x00", "cut.jsonl.gz is cut short; fetch or copy it again."),
        "noise": (
            "noise.jsonl.zst",
            b"\x28\xb5\x2f\xfd" + bytes(range(256)),
            "noise.jsonl.zst is damaged, or not a .zst file",
        ),
        "field": ("f.jsonl", TEXT.replace("text", "body").encode(), "set text_field, now 'text', to the field"),
        "broken": ("b.jsonl", (TEXT + "{\n" * 9).encode(), "9 of 69 records of source broken are malformed"),
        "hostile": ("it's $(touch pwned);touch pwned #[1].jsonl", TEXT.encode(), None),
        "line": ("two\nlines.jsonl", TEXT.encode(), None),
    }
    sources = {}
    for name, (file, data, _) in content.items():
        (house.directory / file).write_bytes(data)
        sources[name] = {"language": "en", "files": [file]}
    targets = [f"results/corpus/{name}/sampled.json" for name in content]
    recipe = changed(sources=sources)
    (house.directory / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    output = refused(house.run(recipe, "--", *targets, status=1))
    for name, (_, _, sentence) in content.items():
        manifest = house.result(f"corpus/{name}/sampled.json")
        assert manifest.exists() == (sentence is None)
        assert sentence is None or sentence in output
    assert not list(house.directory.rglob("pwned*"))


def test_a_name_that_snakemake_would_take_for_a_wildcard_is_refused(house):
    (house.directory / "{source}.jsonl").write_text(TEXT)
    recipe = changed(sources={"en": RECIPE["sources"]["en"] | {"files": ["*}.jsonl"]}})
    output = refused(house.run(recipe, "--dry-run", status=1))
    assert "sources.en.files: the name of '{source}.jsonl' holds braces; rename it" in output


def test_a_name_that_is_no_utf8_is_refused(house):
    with open(os.fsencode(house.directory) + b"/caf\xe9.jsonl", "w", encoding="utf-8") as stream:
        stream.write(TEXT)
    recipe = changed(sources={"en": RECIPE["sources"]["en"] | {"files": ["caf*.jsonl"]}})
    assert "holds bytes that are no UTF-8; rename it" in refused(house.run(recipe, "--dry-run", status=1))


def test_files_that_cannot_be_read_are_all_named_before_any_job(house):
    files = {
        "plain.jsonl": b"no JSON here\n",
        "table.csv": b"a,b\n",
        "p.parquet": b"PAR1 cut",
        "wide.txt": b"\xff\xfea\0",
    }
    for name, content in files.items():
        (house.directory / name).write_bytes(content)
    recipe = changed(sources={"en": RECIPE["sources"]["en"] | {"files": list(files)}})
    output = refused(house.run(recipe, "--dry-run", status=1))
    for name, told in zip(files, ("let its name end in .txt", "convert it", "is cut short", "is UTF-16"), strict=True):
        assert re.search(rf"sources\.en\.files: {re.escape(name)} .*{told}", output)


def test_a_key_given_twice_is_refused_with_its_line(house):
    (house.directory / "twice.yaml").write_text("title: One\ntitle: Two\n")
    output = refused(house.run(RECIPE, "--dry-run", "--configfile", house.directory / "twice.yaml", status=1))
    assert re.search(r"twice\.yaml:2: the key title is given twice in one mapping; keep one of them", output)


def test_a_title_may_hold_braces_quotes_and_commands(house):
    title = 'It\'s {source} "quoted" $(touch pwned)'
    output = house.run(RECIPE | {"title": title}, "--dry-run", "--printshellcmds")
    assert re.search(r"--title 'It'\"'\"'s \{source\}", output)


def test_ctrl_c_in_a_stage_says_that_the_same_command_goes_on(tmp_path):
    (tmp_path / "long.jsonl").write_text(TEXT * 50_000)
    content = {"name": "long", "language": "en", "files": [str(tmp_path / "long.jsonl")], "seed": 1}
    (tmp_path / "slice.json").write_text(json.dumps(content))
    command = [sys.executable, "-m", "corpus.sampling", "--slice", tmp_path / "slice.json"]
    command += ["--output", tmp_path / "out" / "manifest.json"]
    stage = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while stage.poll() is None and not list((tmp_path / "out").glob(".train-*.part")):
        time.sleep(0.01)
    stage.send_signal(signal.SIGINT)
    _, told = stage.communicate(timeout=30)
    assert (stage.returncode, told) == (130, "stopped before the end; run the same command again.\n")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (
            "model.training.trainer --slice s --rows d --tokenizer t --folder f",
            "put `python -m slurm.launch --folder f",
        ),
        ("corpus.tokens.shards --documents {other} --tokenizer t --output o", "not a manifest"),
        ("corpus.tokens.bpe --slice {tokenizer} --documents {other} --output o", "not a manifest of documents"),
    ],
)
def test_a_stage_given_the_wrong_files_says_so(tmp_path, stage, sentence):
    Dag(load_recipe(RECIPE, "recipe.yaml")).write_slices(tmp_path)
    (tmp_path / "other.json").write_text('{"format": 1}')
    paths = {"other": tmp_path / "other.json", "tokenizer": tmp_path / "tokenizer" / "tiny.json"}
    command = [sys.executable, "-m", *(part.format(**paths) for part in stage.split())]
    clean = {name: value for name, value in os.environ.items() if name != "RANK"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    # The trainer says that another try is useless; slurm.launch listens to that.
    assert done.returncode == (os.EX_DATAERR if "trainer" in stage else 1)
    assert done.stderr.startswith("error: "), done.stderr
    assert sentence in done.stderr


def test_without_a_recipe_nothing_is_done_and_the_demo_is_not_trained(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no recipe is named; add --configfile and its path" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_linter_needs_no_recipe_and_writes_nothing(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--lint"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "results").exists()
