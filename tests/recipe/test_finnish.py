"""config/finnish.yaml against the published recipe (arXiv 2511.09213, its code and its model cards)."""

from pathlib import Path

import pytest

from recipe.reading import read_recipe
from recipe.schedule import rows_before, stage_rows, step_at, step_count
from recipe.schema import lineage
from recipe.slices.making import evaluation_slice, phase_slice, tokenizer_slice

RECIPE = read_recipe(Path(__file__).parents[2] / "config" / "finnish.yaml")
SIZES = ["tiny", "base", "large"]
MODELS = [*SIZES, *(f"{size}-short" for size in SIZES)]

EPOCHS = {
    "code": {"smollm-python-edu": 30, "starcoder-issues": 0.83},
    "en": {
        "britishlibrary-en": 1,
        "europarl-en": 5,
        "fineweb-edu-en": 0.5,
        "naturalinstructions-en": 1,
        "pes2o-en": 0.13,
        "pubmed-abstracts-en": 1,
        "pubmed-central-en": 0.1,
        "wikipedia-en": 9,
    },
    "fi": {
        "cc-fi": 4,
        "culturax-fi": 3.7,
        "europarl-fi": 6,
        "hplt2-fi": 3.7,
        "nlfcl-fi": 6,
        "lonnrot-fi": 6,
        "reddit-fi": 6,
        "suomi24-fi": 6,
        "wikipedia-fi": 30,
        "yle-news-fi": 30,
        "ylilauta-fi": 5,
    },
    "la": {"culturax-la": 30},
    "sme": {"glot500-sme": 30, "saami-web-sme": 30, "salt-sme": 30},
    "sv": {
        "culturax-sv": 1.09,
        "europarl-sv": 5,
        "fstc-sv": 5,
        "hplt2-sv": 1.05,
        "nlfc-sv": 5,
        "wikipedia-sv": 30,
        "yle-news-sv": 30,
    },
}
PAIRS = {"en-fi": 0.62, "fi-en": 0.62, "en-sv": 0.57, "sv-en": 0.58, "fi-sv": 5.7, "sv-fi": 5.7} | {
    f"{first}-{second}": 30.0 for other in ("en", "fi", "sv") for first, second in ((other, "sme"), ("sme", other))
}
ANNEALING = [
    "smollm-python-edu",
    "britishlibrary-en",
    "europarl-en",
    "fineweb-edu-en",
    "pes2o-en",
    "pubmed-abstracts-en",
    "pubmed-central-en",
    "wikipedia-en",
    "europarl-fi",
    "nlfcl-fi",
    "lonnrot-fi",
    "wikipedia-fi",
    "yle-news-fi",
    "saami-web-sme",
    "europarl-sv",
    "fstc-sv",
    "nlfc-sv",
    "wikipedia-sv",
    "yle-news-sv",
]


def epochs(mixture: str) -> dict[str, float]:
    """How often all of each source is read, relative to the others: factor x share of its documents kept."""
    factors = RECIPE.mixtures[mixture].factors
    return {name: factor * RECIPE.sources[name].fraction for name, factor in factors.items()}


def test_every_source_is_read_as_often_as_published():
    published = {name: times for sources in EPOCHS.values() for name, times in sources.items()}
    published |= {f"translation-{pair}": times for pair, times in PAIRS.items()}
    assert len(published) == 44
    assert epochs("baseline") == pytest.approx(published)
    assert RECIPE.mixtures["long"].factors == RECIPE.mixtures["baseline"].factors


def test_every_source_has_its_language_and_all_but_the_edu_sources_are_in_the_baseline():
    languages = {name: language for language, sources in EPOCHS.items() for name in sources}
    languages |= {f"translation-{pair}": pair for pair in PAIRS}
    languages |= {"hplt2-edu-fi": "fi", "hplt2-edu-sv": "sv"}
    assert {name: source.language for name, source in RECIPE.sources.items()} == languages


def test_a_source_read_less_than_once_is_thinned_and_not_tokenized_in_vain():
    thinned = {name for name, source in RECIPE.sources.items() if source.fraction < 1}
    assert thinned == {name for name, times in epochs("baseline").items() if times < 1}


def test_held_out_shares_follow_the_published_rule():
    assert {source.held_out for source in RECIPE.sources.values()} <= {0.2, 0.01, 0.0001}


def test_annealing_reads_the_published_sources_and_edu_adds_educational_web_text():
    assert sorted(RECIPE.mixtures["annealing"].factors) == sorted(ANNEALING)
    assert sorted(RECIPE.mixtures["annealing-edu"].factors) == sorted([*ANNEALING, "hplt2-edu-fi", "hplt2-edu-sv"])


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("tiny", (6, 768, 12, 1152, 27_264)),
        ("base", (22, 768, 12, 1152, 42_240)),
        ("large", (28, 1024, 16, 2624, 55_616)),
        ("tiny-short", (6, 768, 12, 1152, 128_000)),
        ("base-short", (22, 768, 12, 1152, 128_000)),
        ("large-short", (28, 1024, 16, 2624, 128_000)),
    ],
)
def test_the_six_models_have_the_published_shapes(model: str, shape: tuple[int, ...]):
    found = RECIPE.models[model]
    tokenizer = tokenizer_slice(RECIPE, found.tokenizer)
    padded = -(-tokenizer.vocabulary // tokenizer.multiple) * tokenizer.multiple
    assert (found.layers, found.hidden, found.heads, found.intermediate, padded) == shape
    assert (found.global_every, found.local_attention, found.local_rope_theta, found.norm_eps) == (3, 128, 10_000, 1e-5)
    assert tokenizer.sample_bytes == 48_000_000_000


def test_each_model_has_three_forms_that_share_the_stable_phase_and_the_extension():
    assert set(RECIPE.runs) == {f"{model}{form}" for model in MODELS for form in ("", "-edu", "-cpt")}
    for model in MODELS:
        whole, edu, cpt = (lineage(RECIPE, f"{model}{form}") for form in ("", "-edu", "-cpt"))
        assert [owner for owner, _ in whole] == [model] * 3
        assert cpt == whole[:2] == edu[:2]
        assert edu[2][0] == f"{model}-edu"
        baseline, educational = (phase_slice(RECIPE, way[2][0], way[2][1]) for way in (whole, edu))
        same = {"run", "phase", "stages"}
        assert baseline.model_dump(exclude=same) == educational.model_dump(exclude=same)
        parts = {"components"}
        assert baseline.stages[0].model_dump(exclude=parts) == educational.stages[0].model_dump(exclude=parts)


@pytest.mark.parametrize(
    ("size", "stable", "extension"), [("tiny", 8e-4, 5e-4), ("large", 3e-4, 5e-5), ("base", 5e-4, 1.6e-4)]
)
def test_learning_rates(size: str, stable: float, extension: float):
    rates = {
        name: {stage.learning_rate.peak for stage in RECIPE.phases[f"{name}-{size}"].stages}
        for name in ("stable", "extension", "annealing", "annealing-edu")
    }
    assert rates == {
        "stable": {stable},
        "extension": {extension},
        "annealing": {extension},
        "annealing-edu": {extension},
    }
    assert {stage.learning_rate.shape for stage in RECIPE.phases[f"extension-{size}"].stages} == {"constant"}
    assert RECIPE.phases[f"annealing-{size}"].stages[0].learning_rate.shape == "1-sqrt"


@pytest.mark.parametrize("size", SIZES)
def test_lengths_thetas_and_tokens_are_the_published_ones(size: str):
    (stable,) = RECIPE.phases[f"stable-{size}"].stages
    extension = RECIPE.phases[f"extension-{size}"].stages
    (annealing,) = RECIPE.phases[f"annealing-{size}"].stages
    even = [1024 + round((8192 - 1024) * step / 6 - 0.4) for step in range(1, 7)]
    assert [stage.length for stage in extension] == [2218, 3413, 4608, 5802, 6997, 8192] == even
    assert (stable.length, annealing.length) == (1024, 8192)
    assert (stable.rope_theta, annealing.rope_theta) == (10_000, 1_000_000)
    assert {stage.rope_theta for stage in extension} == {1_000_000}
    assert stable.tokens == 350e9
    assert sum(stage.tokens for stage in extension) == pytest.approx(40e9, rel=1e-3)
    assert extension[-1].tokens == pytest.approx(2 / 7 * 40e9, rel=1e-3)
    assert {stage.masking_rate for stage in (stable, *extension, annealing)} == {0.3}


@pytest.mark.parametrize(
    ("phase", "published", "taken"),
    [("stable", 117_300, 117_972), ("extension", 16_560, 16_511), ("annealing", 4_140, 4_124)],
)
@pytest.mark.parametrize("size", SIZES)
def test_steps_are_as_many_as_published(size: str, phase: str, published: int, taken: int):
    found = sum(step_count(stage) for stage in RECIPE.phases[f"{phase}-{size}"].stages)
    assert found == taken
    assert found == pytest.approx(published, rel=0.006)


@pytest.mark.parametrize("size", SIZES)
def test_warmups_end_where_published(size: str):
    (stage,) = RECIPE.phases[f"stable-{size}"].stages
    first = [step_at(stage, rows_before(stage, step)) for step in (0, 1379, 1380, 4001, 4002)]
    assert [step.rows for step in first] == [192, 1140, 1140, 2943, 2944]
    peak = stage.learning_rate.peak
    assert [step.learning_rate / peak for step in first] == pytest.approx([0.5 / 1380, 1379.5 / 1380, 1, 1, 1])
    assert first[2].learning_rate == peak
    # 2.9 and 1 % of all steps.
    assert (stage.batch.warmup_steps, stage.learning_rate.warmup_steps) == (0.029 * 138_000, 0.01 * 138_000)


def test_tokens_are_400_billion_in_all():
    stages = [stage for phase in lineage(RECIPE, "large") for stage in RECIPE.phases[phase[1]].stages]
    assert sum(stage_rows(stage) * stage.length for stage in stages) == pytest.approx(400e9, rel=2e-4)


def test_extension_draws_by_words_as_published():
    bins = [(part.min_words, part.max_words, part.share) for part in RECIPE.mixtures["long"].word_bins]
    assert bins == [(0, 1000, 0.01), (1000, 10_000, 0.4), (10_000, 16_000, 0.4), (16_000, None, 0.15)]


def test_the_optimizer_is_the_published_one():
    assert RECIPE.seed == 42
    found = RECIPE.optimizer
    assert (found.beta1, found.beta2, found.eps, found.weight_decay, found.gradient_clip) == (0.9, 0.98, 1e-6, 1e-6, 1)


def test_an_evaluation_covers_every_language_of_the_way():
    assert set(evaluation_slice(RECIPE, "large-cpt").languages) == {*EPOCHS, *PAIRS}


def test_retrieval_is_learnt_and_measured_as_published():
    found = RECIPE.evaluation.retrieval
    assert [(one.limit, one.subset) for one in found.train] == [(1_250_000, "triplet-hard")]
    assert found.learning_rates == [1e-5, 2e-5, 3e-5, 5e-5, 8e-5, 1e-4]
    assert (found.epochs, found.warmup) == (1, 0.05)
    tasks = {(task.mteb, task.subset) for task in found.tasks.values()}
    assert {(name, "") for name in ("SciFact", "NFCorpus", "FiQA2018", "TRECCOVID")} <= tasks
    assert ("MultiLongDocRetrieval", "en") in tasks
    languages = ("python", "javascript", "go", "ruby", "java", "php")
    assert {("COIRCodeSearchNetRetrieval", language) for language in languages} <= tasks
    assert all(task.length == 8192 for task in found.tasks.values() if "Long" in task.mteb or "LEMB" in task.mteb)
    assert set(found.runs) == {f"{model}{form}" for model in MODELS for form in ("", "-edu")}


def test_parts_of_speech_are_tagged_in_northern_sami_without_dev_sentences():
    found = RECIPE.evaluation.understanding
    assert found.learning_rates == [1e-5, 2e-5, 3e-5, 4e-5, 5e-5]
    task = found.tasks["pos-sme"]
    assert (task.kind, task.language, task.dev) == ("tagging", "sme", "")


def test_long_documents_with_several_labels_are_read_whole_in_three_languages():
    tasks = {name: task for name, task in RECIPE.evaluation.understanding.tasks.items() if task.kind == "multilabel"}
    assert [task.language for task in tasks.values()] == ["fi", "sv", "en"]
    for name, task in tasks.items():
        assert name == f"eurlex-{task.language}"
        assert (task.hub, task.subset, task.columns) == ("mteb/eurlex-multilingual", task.language, ["text", "label"])
        assert (task.test, task.length) == ("test", 8192)
