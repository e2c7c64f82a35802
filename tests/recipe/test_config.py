"""The recipes in config/ and their README, and reading a recipe from a file."""

import itertools
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from snakemake.common.configfile import load_configfile

import recipe.cleaning
import recipe.duplicates
import recipe.euroeval
import recipe.evaluation
import recipe.publish
import recipe.schema
import recipe.understanding
import recipe.warning
from common.errors import UserError
from recipe.extending import EXTENDS
from recipe.reading import load_recipe, read_recipe
from recipe.schema import lineage
from recipe.slices.making import phase_slice

CONFIG = Path(__file__).parents[2] / "config"
DEMO = yaml.safe_load((CONFIG / "demo.yaml").read_text())


@pytest.mark.parametrize(
    "name", ["demo.yaml", "finnish.yaml", "experiments/optimizer.yaml", "experiments/rope_theta.yaml"]
)
def test_snakemake_and_the_reader_see_the_same_recipe(name: str):
    path = CONFIG / name
    assert load_recipe(load_configfile(path), name, path.parent) == read_recipe(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "title: a\nsources:\n  x: {language: fi}\n  x: {language: sv}\n",
            ":4: the key x is given twice in one mapping",
        ),
        ("title: [a\n", ":2: expected ',' or ']'"),
        ("title: a\n\tseed: 1\n", ":2: found character"),
        ("- a\n- b\n", ": holds no keys"),
        ("", ": holds no keys"),
        ("title: !!python/object/apply:os.getcwd []\n", ":1: could not determine a constructor"),
        ("? [a, b]\n: 1\n", ":1: found unhashable key"),
        ("title: *there\n", ":1: found undefined alias"),
    ],
)
def test_what_is_not_a_yaml_mapping_is_told_with_its_line(tmp_path: Path, text: str, told: str):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(f"{path}{told}")) as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"title: \xe4\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read_recipe(tmp_path / "latin.yaml")


def test_the_readme_explains_every_key():
    readme = (CONFIG / "README.md").read_text()
    explained = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (.*?) \|", readme, re.MULTILINE))))
    explained |= set(re.findall(r"^`(\w+)`", readme, re.MULTILINE)) | {"stages"} & set(re.findall(r"`(\w+)`", readme))
    keys = _keys()
    assert keys
    assert keys - explained == set()


def test_the_readme_names_no_key_that_is_not_there():
    readme = (CONFIG / "README.md").read_text()
    named = set(itertools.chain(*(re.findall(r"`(\w+)`", cell) for cell in re.findall(r"^\| (`.*?) \|", readme, re.M))))
    assert named - _keys() == set()


def _keys() -> set[str]:
    rooms = (
        recipe.schema,
        recipe.evaluation,
        recipe.understanding,
        recipe.euroeval,
        recipe.cleaning,
        recipe.duplicates,
        recipe.warning,
        recipe.publish,
    )
    types = {name: part for room in rooms for name, part in vars(room).items()}.values()
    parts = [part for part in types if isinstance(part, type) and issubclass(part, BaseModel)]
    return {field.alias or name for part in parts for name, field in part.model_fields.items()} | {EXTENDS}


def test_the_smallest_recipe_of_the_readme_is_a_recipe():
    blocks = re.findall(r"```yaml\n(.*?)```", (CONFIG / "README.md").read_text(), re.DOTALL)
    recipe = load_recipe(yaml.safe_load(blocks[0]), "config/README.md")
    assert lineage(recipe, "first") == [("first", "stable")]
    assert len(blocks[0].splitlines()) == 10


def test_the_recipe_of_the_readme_that_continues_a_model_is_a_recipe():
    blocks = re.findall(r"```yaml\n(.*?)```", (CONFIG / "README.md").read_text(), re.DOTALL)
    content = next(block for block in blocks if "start:" in block)
    read = load_recipe(yaml.safe_load(content), "config/README.md")
    assert read.models["mine"].start.directory == "pretrained/mmbert-base"
    assert len(content.splitlines()) <= 10


def test_stages_of_the_readme_that_mask_less_and_less_reach_the_slice():
    blocks = re.findall(r"```yaml\n(.*?)```", (CONFIG / "README.md").read_text(), re.DOTALL)
    content = yaml.safe_load(blocks[0])
    stages = next(block for block in blocks if block.startswith("stages:"))
    content["phases"]["stable"] = yaml.safe_load(stages)
    assert len(stages.splitlines()) == 4
    content["sources"]["other"] = {"language": "sv", "files": ["other.jsonl"]}
    content["mixtures"] |= {"better": {"factors": {"mine": 1, "other": 2}}, "best": {"factors": {"other": 1}}}
    stages = phase_slice(load_recipe(content, "config/README.md"), "first", "stable").stages
    assert [stage.masking_rate for stage in stages] == [0.3, 0.15, 0.05]
    assert [stage.batch.tokens for stage in stages] == [3_000_000, 3_000_000, 2_000_000]
    factors = [{part.source: part.factor for part in stage.components} for stage in stages]
    assert factors == [{"mine": 1}, {"mine": 1, "other": 2}, {"other": 1}]


def test_the_experiment_with_optimizers_compares_nothing_but_optimizers_and_their_rates():
    recipe = load_recipe(yaml.safe_load((CONFIG / "experiments" / "optimizer.yaml").read_text()), "optimizer")
    assert [phase_slice(recipe, run, run).optimizer.name for run in recipe.runs] == ["adamw", "stable_adamw", "muon"]
    contents = [phase_slice(recipe, run, run) for run in recipe.runs]
    alike = [content.model_dump(exclude={"run", "phase", "optimizer"}) for content in contents]
    for content in alike:
        content["stages"][0]["learning_rate"].pop("peak")
    assert alike == [alike[0]] * 3


def test_the_demo_compares_one_setting_at_a_time():
    recipe = load_recipe(DEMO, "config/demo.yaml")
    assert set(recipe.runs) == {"small", "small-fi", "small-theta"}
    for first, second in zip(lineage(recipe, "small"), lineage(recipe, "small-theta"), strict=True):
        theirs = [stage.model_dump(exclude={"rope_theta"}) for stage in recipe.phases[second[1]].stages]
        assert [stage.model_dump(exclude={"rope_theta"}) for stage in recipe.phases[first[1]].stages] == theirs
    assert set(recipe.evaluation.prompts) == {source.language for source in recipe.sources.values()}
