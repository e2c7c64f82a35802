"""Reading a recipe: what is accepted, and that each mistake is told in one line that names the key."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from recipe.checks import problems
from recipe.reading import expand_files, load_recipe, missing_files
from recipe.schema import Source, lineage


def small() -> dict[str, Any]:
    """A recipe that tests may break: two sources, two phases, a run and a branch."""
    stage = {
        "length": 128,
        "tokens": 10_000,
        "batch": {"tokens": 1024},
        "learning_rate": {"peak": 1e-3},
        "rope_theta": 1e4,
        "mixture": "all",
    }
    return {
        "title": "Small",
        "sources": {
            "news-fi": {"language": "fi", "files": ["fi.jsonl"]},
            "news-sv": {"language": "sv", "files": ["sv.jsonl"]},
        },
        "mixtures": {"all": {"factors": {"news-fi": 1, "news-sv": 2.5}}},
        "tokenizers": {"bpe": {"vocabulary": 400, "sample_bytes": 1000, "mixture": "all"}},
        "models": {"tiny": {"tokenizer": "bpe", "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}},
        "phases": {
            "stable": {"stages": [stage]},
            "annealing": {"stages": [{**copy.deepcopy(stage), "length": 256}]},
            "other": {"stages": [{**copy.deepcopy(stage), "length": 256}]},
        },
        "runs": {
            "first": {"model": "tiny", "phases": ["stable", "annealing"]},
            "second": {"from": "first", "after": "stable", "phases": ["other"]},
        },
        "evaluation": {"lengths": [128, 256], "prompts": {"fi": "Talo on [MASK]."}},
    }


def at(recipe: dict[str, Any], *keys: Any) -> Any:
    for key in keys:
        recipe = recipe[key]
    return recipe


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small recipe with the value at a path such as `phases.stable.stages[0].tokens` replaced."""
    recipe = small()
    keys = [int(key) if key.isdigit() else key for key in re.findall(r"[^.\[\]]+", path)]
    at(recipe, *keys[:-1])[keys[-1]] = value
    return recipe


def mistakes(config: Any) -> list[str]:
    with pytest.raises(UserError) as told:
        load_recipe(config, "config/mine.yaml")
    return str(told.value).splitlines()


def test_the_small_recipe_is_accepted():
    assert load_recipe(small(), "here").title == "Small"


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            "phases.stable.stages[0].batch.tokens",
            100,
            "100 tokens hold no row of 128 tokens; give at least 128.",
        ),
        ("phases.stable.stages[0].batch.tokens", 20_000, "one batch of 20000 tokens is more than the stage's 10000."),
        (
            "phases.stable.stages[0].batch.start_tokens",
            512,
            "has no effect without warmup_steps; give both or neither.",
        ),
        (
            "phases.stable.stages[0].learning_rate.warmup_steps",
            11,
            "11 steps are more than the stage's 10.",
        ),
        (
            "phases.stable.stages[0].skip_rows",
            [[9, 4]],
            "[9, 4] ends before it begins; give the first row, then the last.",
        ),
        (
            "phases.stable.stages[0].skip_rows",
            [[4, 9], [9, 12]],
            "a range that begins at row 9 follows one that ends at 9; put them in order, apart.",
        ),
        ("phases.stable.stages[0].until", 10_001, "10001 is after the stage's 10000 tokens."),
        (
            "phases.stable.stages[0].learning_rate.warmup_tokens",
            1000,
            "is no key any more, a warm-up is counted in steps; give warmup_steps.",
        ),
        (
            "phases.stable.stages[0].batch.warmup_tokens",
            1000,
            "is no key any more, a warm-up is counted in steps; give warmup_steps.",
        ),
        (
            "phases.stable.stages[0].learning_rate.final",
            1e-4,
            "has no effect on a constant rate; remove it or set shape to 1-sqrt.",
        ),
        ("phases.stable.stages[0].mixture", "al", "the recipe has no mixture al; did you mean all?"),
        ("tokenizers.bpe.mixture", "everything", "the recipe has no mixture everything; there are: all."),
        ("models.tiny.tokenizer", "bpf", "the recipe has no tokenizer bpf; did you mean bpe?"),
        ("models.tiny.heads", 3, "32 hidden dimensions do not divide into 3 heads."),
        ("models.tiny.heads", 32, "a head has 1 dimensions, but RoPE turns them in pairs; make it even."),
        ("models.tiny.local_attention", 65, "65 is odd, but half of it goes to either side; make it even."),
        ("mixtures.all.factors.news-no", 1, "the recipe has no source news-no; did you mean news-sv?"),
        ("runs.first.model", "huge", "the recipe has no model huge; there are: tiny."),
        ("runs.first.from", "second", None),
        ("runs.second.from", "frist", "the recipe has no run frist; did you mean first?"),
        ("runs.second.after", "other", "first has no phase other; its phases are: stable, annealing."),
        ("runs.second.phases[0]", "stable", "stable comes twice in the run's way (stable, stable); give"),
        ("runs.first.phases[1]", "annealin", "the recipe has no phase annealin; did you mean annealing?"),
        ("runs.first.phases", [], "the run trains nothing; name at least one phase."),
        ("runs.first.after", "stable", "has no effect without from, the run to continue."),
        ("runs.second.model", "tiny", "the run has the model of first, which it continues; remove model or from."),
        (
            "evaluation.lengths[0]",
            512,
            "512 tokens are more than first is trained for at its end (256); give at most 256.",
        ),
        ("evaluation.prompts.en", "A [MASK].", "no source is in en; there are: fi, sv."),
        ("evaluation.prompts.fi", "Talo.", "has 0 times [MASK]; put it once, in place of the word to be filled in."),
        ("evaluation.prompts.fi", "[MASK] [MASK]", "has 2 times [MASK]; put it once, in place of"),
        ("sources.news-fi.language", False, "needs text; YAML reads on, off, yes and no as true and false, so put"),
        ("sources.news-fi.language", "finnish", "finnish is no language; give an ISO 639 code (fi), a pair of them"),
        ("sources.news-fi.held_out", 0.5, "must be less than 0.5, but is 0.5."),
        ("sources.news-fi.files", [], "must not be empty."),
        ("sources.news-fi.files", "fi.jsonl", "needs a list, but is fi.jsonl."),
        ("sources.News", {"language": "fi", "files": ["x"]}, "News is no name; use small letters, digits and hyphens"),
        ("models.tiny.layers", "many", "needs a whole number, but is many."),
        ("models.tiny.layers", 2.5, "needs a whole number, but is 2.5."),
        ("models.tiny.layers", True, "needs a number, not true or false."),
        ("models.tiny.layers", None, "needs a whole number, but nothing is there."),
        ("models.tiny.norm_eps", float("nan"), "needs a finite number, but is nan."),
        ("tokenizers.bpe.vocabulary", 283, "must be at least 300, but is 283."),
        (
            "phases.stable.stages[0].learning_rate.shape",
            "cosine",
            "must be one of 'constant' or '1-sqrt', but is cosine.",
        ),
        ("phases.stable.stages[0].batch.tokns", 7, "is no key of a recipe here; did you mean tokens?"),
        ("phases.stable.stages[0].xyz", 7, "is no key of a recipe here; there are: batch, learning_rate, length,"),
        ("sources.news-fi.filters", {"min_word": 3}, None),
        ("runs.second.form", "first", "is no key of a recipe here; did you mean from?"),
        ("sourcs", {}, "is no key of a recipe here; did you mean sources?"),
    ],
)
def test_a_mistake_is_told_in_a_line_that_names_the_file_and_the_key(path: str, value: Any, sentence: str | None):
    told = mistakes(changed(path, value))
    if sentence is not None:
        assert any(line.startswith(f"config/mine.yaml: {path}: {sentence}") for line in told), told
    assert all(line.startswith("config/mine.yaml: ") and line.endswith((".", "?")) for line in told)
    assert not re.search(r"pydantic|type=|https?:|Input should|\bNone\b", "\n".join(told))


def test_a_missing_key_is_named():
    config = small()
    del config["phases"]["stable"]["stages"][0]["batch"]["tokens"]
    assert mistakes(config) == ["config/mine.yaml: phases.stable.stages[0].batch.tokens: is missing."]


@pytest.mark.parametrize(
    ("bins", "told"),
    [
        (
            [{"min_words": 10, "max_words": 10, "share": 1}],
            "[0]: no document has at least 10 and fewer than 10 words; max_words is exclusive",
        ),
        (
            [{"min_words": 50, "share": 0.5}, {"max_words": 51, "share": 0.5}],
            "[0]: begins at 50 words, inside word_bins[1] (it ends at 51); let bins not overlap.",
        ),
        (
            [{"min_words": 5, "share": 0.5}, {"min_words": 9, "share": 0.5}],
            "[1]: begins at 9 words, inside word_bins[0] (it has no max_words); let bins not overlap.",
        ),
    ],
)
def test_word_bins_that_are_empty_or_overlap_are_told(bins: list[dict[str, float]], told: str):
    config = small()
    config["mixtures"]["bins"] = {"factors": {"news-fi": 1}, "word_bins": bins}
    (line,) = mistakes(config)
    assert line.startswith(f"config/mine.yaml: mixtures.bins.word_bins{told}")


def test_word_bins_may_touch_and_leave_gaps():
    config = small()
    bins = [
        {"min_words": 90, "share": 0.2},
        {"max_words": 10, "share": 0.1},
        {"min_words": 10, "max_words": 50, "share": 1},
    ]
    config["mixtures"]["bins"] = {"factors": {"news-fi": 1}, "word_bins": bins}
    load_recipe(config, "here")


def test_a_tokenizer_may_not_sample_by_word_bins():
    told = mistakes(changed("mixtures.all.word_bins", [{"share": 1.0}]))
    assert told == [
        "config/mine.yaml: tokenizers.bpe.mixture: all has word_bins, which a tokenizer's sample ignores; "
        "name a mixture without."
    ]


def test_a_run_with_neither_model_nor_parent_is_told():
    config = small()
    del config["runs"]["first"]["model"]
    assert mistakes(config) == [
        "config/mine.yaml: runs.first: needs a model to begin with, or from, a run to continue."
    ]


def test_a_circle_of_runs_is_told_once_and_named():
    config = small()
    config["runs"] = {
        "a": {"from": "c", "phases": ["stable"]},
        "b": {"from": "a", "phases": ["annealing"]},
        "c": {"from": "b", "phases": ["other"]},
        "d": {"from": "c"},
    }
    (line,) = mistakes(config)
    assert re.fullmatch(
        r"config/mine\.yaml: runs\.a\.from: the runs continue each other in a circle: c -> b -> a -> c\.", line
    )


def test_a_run_of_itself_is_a_circle():
    (line,) = mistakes(changed("runs.second", {"from": "second"}))
    assert line.endswith("runs.second.from: the runs continue each other in a circle: second -> second.")


def test_all_mistakes_are_told_at_once():
    config = changed("phases.stable.stages[0].batch.tokens", 100)
    config["models"]["tiny"]["heads"] = 3
    config["evaluation"]["prompts"]["fi"] = "Talo."
    assert len(mistakes(config)) == 3


def test_a_run_may_only_name_a_point_of_another():
    config = changed("runs.second", {"from": "first", "after": "stable"})
    config["evaluation"]["lengths"] = [128]
    recipe = load_recipe(config, "here")
    assert lineage(recipe, "second") == [("first", "stable")]


def test_lineage_names_the_run_that_owns_each_phase():
    recipe = load_recipe(small(), "here")
    assert lineage(recipe, "first") == [("first", "stable"), ("first", "annealing")]
    assert lineage(recipe, "second") == [("first", "stable"), ("second", "other")]


def test_a_branch_without_after_begins_at_the_end_of_its_parent():
    recipe = load_recipe(changed("runs.second", {"from": "first", "phases": ["other"]}), "here")
    assert lineage(recipe, "second") == [("first", "stable"), ("first", "annealing"), ("second", "other")]


def test_a_branch_of_a_branch_may_leave_at_a_phase_of_the_first_run():
    config = small()
    config["phases"]["third"] = copy.deepcopy(config["phases"]["other"])
    config["runs"]["deep"] = {"from": "second", "after": "stable", "phases": ["annealing", "third"]}
    assert lineage(load_recipe(config, "here"), "deep") == [
        ("first", "stable"),
        ("deep", "annealing"),
        ("deep", "third"),
    ]


@pytest.mark.parametrize(
    ("text", "tokens"), [("1e6", 10**6), ("350e9", 350 * 10**9), ("2_000", 2000), ("1.5e6", 1_500_000)]
)
def test_large_numbers_may_be_written_as_people_do(text: str, tokens: int):
    config = changed("phases.stable.stages[0].tokens", yaml.safe_load(text))
    assert load_recipe(config, "here").phases["stable"].stages[0].tokens == tokens


def test_rates_may_be_written_with_an_exponent():
    config = changed("phases.stable.stages[0].learning_rate.peak", yaml.safe_load("3e-4"))
    assert load_recipe(config, "here").phases["stable"].stages[0].learning_rate.peak == 3e-4


def paths(part: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [path for key, value in items for path in [(*before, key), *paths(value, (*before, key))]]


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.one_of(st.text(max_size=4), st.integers(), st.booleans()), st.integers(), max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(paths(small())), value=anything)
def test_any_value_at_any_key_is_accepted_or_told_in_plain_lines(path: tuple[Any, ...], value: Any):
    config = small()
    at(config, *path[:-1])[path[-1]] = value
    try:
        told = problems(load_recipe(config, "f"))
    except UserError as error:
        told = [line for line in str(error).splitlines() if not line.startswith("f: ") or "type=" in line]
    assert told == []


@settings(max_examples=200, deadline=None)
@given(
    parents=st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 4)), st.one_of(st.none(), st.sampled_from(["stable", "other"]))),
        min_size=1,
        max_size=5,
    ),
    phases=st.lists(st.lists(st.sampled_from(["stable", "annealing", "other"]), max_size=3), min_size=5, max_size=5),
)
def test_every_accepted_run_has_a_way_without_repetition_that_begins_with_a_model(parents: Any, phases: Any):
    config = small()
    config["evaluation"]["lengths"] = [128]
    config["runs"] = {}
    for index, ((parent, after), own) in enumerate(zip(parents, phases, strict=False)):
        begin = {"model": "tiny"} if parent is None else {"from": f"r{parent}", "after": after}
        config["runs"][f"r{index}"] = {**begin, "phases": own}
    try:
        recipe = load_recipe(config, "f")
    except UserError:
        return
    for run in recipe.runs:
        way = lineage(recipe, run)
        names = [phase for _, phase in way]
        assert names
        assert len(set(names)) == len(names)
        assert recipe.runs[way[0][0]].model == "tiny" or recipe.runs[way[0][0]].from_run is not None
        assert all(phase in recipe.runs[owner].phases for owner, phase in way)


def source(*files: str) -> Source:
    return Source(language="fi", files=list(files))


def test_patterns_expand_sorted_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("d/b.jsonl", "d/a.jsonl", "d/e/c.jsonl", "d/x.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert expand_files(source("d/*.jsonl", "d/a.jsonl")) == ["d/a.jsonl", "d/b.jsonl"]
    assert expand_files(source("d/**/*.jsonl")) == ["d/a.jsonl", "d/b.jsonl", "d/e/c.jsonl"]
    assert expand_files(source("not-there.jsonl", "none/*.jsonl")) == ["not-there.jsonl"]
    assert expand_files(source(f"{tmp_path}/d/a*")) == [f"{tmp_path}/d/a.jsonl"]


def test_files_that_no_rule_makes_and_nobody_put_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(small(), "here")
    Path("sv.jsonl").touch()
    told = [f"sources.news-fi.files[0]: no file matches fi.jsonl in {Path.cwd()}; put the text there or mend the path."]
    assert missing_files(recipe, set()) == told
    assert missing_files(recipe, {"fi.jsonl"}) == []
    patterned = load_recipe(changed("sources.news-fi.files", ["text/*.jsonl"]), "here")
    assert missing_files(patterned, {"text/fi.jsonl"}) == []
    assert len(missing_files(patterned, {"text/fi.txt"})) == 1


def test_a_file_is_found_by_its_own_name_though_it_holds_the_signs_of_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a[1].jsonl", "a1.jsonl"):
        Path(name).touch()
    assert expand_files(source("a[1].jsonl")) == ["a[1].jsonl"]
