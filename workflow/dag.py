"""What each rule needs: the recipe's view of the workflow's files, for the rules' input functions.

Rules name files by wildcards; which files those are for a given source, tokenizer, run or phase follows from the recipe
alone (`recipe.needs`). All paths are relative to Snakemake's working directory.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import atomic_file
from corpus.demo import interface_text
from corpus.sources.kinds import kind_of, problem_in
from recipe.branches import branched_from
from recipe.evaluation import file_name
from recipe.needs import (
    UNTRAINED,
    Shards,
    evaluation_shards,
    foreign_tokenizers,
    previous_phase,
    retrieval_encoders,
    rows_of,
    shards_of,
    speed_encoders,
    tokenizer_sources,
    whole_recipe,
)
from recipe.reading import expand_files, missing_files
from recipe.schema import Recipe, lineage
from recipe.slices.files import to_json
from recipe.slices.making import (
    average_slice,
    evaluation_slice,
    fertility_slice,
    held_out_rows_slice,
    keeping_slice,
    model_name,
    phase_slice,
    retrieval_slice,
    retrieval_task_slice,
    sample_name,
    sample_slice,
    statistics_slice,
    tokenizer_slice,
    train_rows_slice,
    validation_slice,
)
from recipe.types import Strict
from workflow.comparison import RunComparison
from workflow.euroeval import EuroEvalTasks
from workflow.sources import PACKAGE_TEXT, Sources, manifest
from workflow.starting import Starts
from workflow.understanding import Understanding

WHEEL = "text/wheels/homeassistant-2024.3.3-py3-none-any.whl"
"""The one that `envs/text.txt` pins."""
PAIRS = "text/retrieval/interface-fi-sv"
"""Folder of the demo's retrieval task, made from the wheel."""
BM25 = "_bm25"
"""Of the results; no run can be called so."""


class Dag:
    """Answers the rules' questions about one recipe. Methods with `wildcards` serve as input functions."""

    def __init__(self, recipe: Recipe) -> None:
        """Look at a checked recipe."""
        self.recipe = recipe
        self.starts = Starts(recipe)
        self.sources = Sources(recipe)
        self.understanding = Understanding(recipe)
        self.euroeval = EuroEvalTasks(recipe)
        self.comparison = RunComparison(recipe)
        self.speed_encoders = speed_encoders(recipe)
        self.trained_tokenizers = sorted(set(recipe.tokenizers) - set(self.starts.adopted))
        self._needs = whole_recipe(recipe)
        self._owned = self._needs.phases
        self._phases = {f"{owner}.{phase}": phase_slice(recipe, owner, phase) for owner, phase in self._owned}
        self._rows = {name: train_rows_slice(content) for name, content in self._phases.items()}
        self._evaluations = {run: evaluation_slice(recipe, run) for run in recipe.runs}
        self._compared = fertility_slice(recipe)

    def model_of(self, wildcards: Any) -> str:
        """Return the model of a run, or the name of an encoder from elsewhere."""
        name: str = wildcards.encoder
        return name if name in self.recipe.evaluation.models else model_name(self.recipe, name)

    def title(self, wildcards: Any) -> str:
        """Return the recipe's title as it is; outside a function Snakemake would look for wildcards in it."""
        return self.recipe.title

    def way(self, run: str) -> list[tuple[str, str]]:
        """Return (run that owns the phase, phase) from the first phase of `run` on."""
        return lineage(self.recipe, run)

    @cached_property
    def slices(self) -> dict[str, str]:
        """Return name -> text of every slice of the recipe, and the whole of it as `recipe`, which jobs read."""
        tokenizers = {f"tokenizer/{name}": tokenizer_slice(self.recipe, name) for name in self.trained_tokenizers}
        samples = {f"sample/{sample_name(content)}": sample_slice(content) for content in tokenizers.values()}
        rows = {f"rows/{name}": content for name, content in self._rows.items()}
        held_out = {f"held_out_rows/{run}": held_out_rows_slice(each) for run, each in self._evaluations.items()}
        held_out |= {
            f"test_rows/{run}": held_out_rows_slice(self._evaluations[run], "test")
            for run in self.recipe.evaluation.test
        }
        phases = {f"phase/{name}": content for name, content in self._phases.items()}
        evaluations = {f"evaluation/{name}": content for name, content in self._evaluations.items()}
        tasks = self.recipe.evaluation.retrieval.tasks
        retrieval: dict[str, Strict] = {f"retrieval/{name}": retrieval_task_slice(self.recipe, name) for name in tasks}
        retrieval |= {"retrieval": retrieval_slice(self.recipe)} if tasks else {}
        contents: dict[str, Strict] = {
            **self.sources.slices(),
            **self.understanding.slices(),
            **self.euroeval.slices(),
            **tokenizers,
            **samples,
            **rows,
            **held_out,
            **phases,
            **evaluations,
        }
        contents |= {
            f"keeping/{owner}.{phase}": keeping_slice(self.recipe, owner, phase) for owner, phase in self._owned
        }
        contents |= {
            f"validation/{run}": validation_slice(self.recipe, each) for run, each in self._evaluations.items()
        }
        averages = {run: average_slice(self.recipe, run) for run in self.recipe.runs}
        contents |= {f"average/{run}": each for run, each in averages.items() if each}
        told = statistics_slice(self.recipe, self._needs.sources, self._needs.shards)
        contents |= {**self.starts.slices(), **retrieval, "fertility": self._compared, "statistics": told}
        contents |= {"recipe": self.recipe, "publish": self.recipe.publish, "comparison": self.comparison.slice}
        texts = {name: to_json(content) for name, content in contents.items()}
        # Notes are for readers and belong to no other slice: rewording one must not tokenize a source again.
        notes = {name: {"note": source.note, "made": source.made} for name, source in self.recipe.sources.items()}
        return texts | {"notes": json.dumps(notes, indent=1)}

    def write_slices(self, folder: Path) -> None:
        """Write every slice of the recipe below `folder`; files that would not change are left untouched.

        Slices are inputs of the rules: what is written here is what Snakemake finds changed.
        """
        for name in self.changed_slices(folder):
            with atomic_file(folder / f"{name}.json", "w") as stream:
                stream.write(self.slices[name])

    def changed_slices(self, folder: Path) -> list[str]:
        """Return the names of slices that are not below `folder` as this recipe has them."""
        paths = {name: folder / f"{name}.json" for name in self.slices}
        return [
            name
            for name, path in paths.items()
            if not path.is_file() or path.read_text(encoding="utf-8") != self.slices[name]
        ]

    def missing(self) -> list[str]:
        """Return a sentence for each source pattern that matches no file, and each absent file of a retrieval."""
        found = missing_files(self.recipe, PACKAGE_TEXT, self.sources.finished | self.sources.renamed)
        found += [
            f"evaluation: {name} does not exist; put the tokenizer or the model there, or mend the path."
            for name in foreign_tokenizers(self.recipe)
            if name.startswith(("/", ".", "~")) and not Path(name).exists()
        ]
        found += self.starts.problems() + self.understanding.missing() + self.euroeval.missing()
        if tasks := self.recipe.evaluation.retrieval.tasks:
            files = {*self._training_files(), *(file for name in tasks for file in self._task_files(name))}
            found += [
                f"evaluation.retrieval: {file} does not exist; put it there or mend the path."
                for file in sorted(files)
                if not Path(file).is_file() and Path(file).parent.as_posix().removesuffix("/qrels") != PAIRS
            ]
        return found

    def wheel(self, wildcards: Any) -> list[str]:
        """Return the wheel that a text is taken out of, or nothing for text of an installed package."""
        return [WHEEL] if wildcards.name in interface_text.COLLECTIONS else []

    def wheel_argument(self, wildcards: Any) -> str:
        """Return the command line option that names the wheel, or nothing."""
        return " ".join(f"--wheel {path}" for path in self.wheel(wildcards))

    def tokenizer_documents(self, wildcards: Any) -> list[str]:
        """Return the manifests of the sources that a tokenizer's sample is drawn from."""
        return [manifest(source) for source in tokenizer_sources(self.recipe, wildcards.tokenizer)]

    def tokenizer_words(self, wildcards: Any) -> str:
        """Return the manifest of the words that a tokenizer is trained on."""
        return f"results/words/{sample_name(tokenizer_slice(self.recipe, wildcards.tokenizer))}/manifest.json"

    def sample_documents(self, wildcards: Any) -> list[str]:
        """Return the manifests of the sources that a sample of words is drawn from."""
        slices = [tokenizer_slice(self.recipe, name) for name in self.trained_tokenizers]
        sample = next(content for content in slices if sample_name(content) == wildcards.sample)
        return [manifest(source) for source in sample.factors]

    def engine(self, wildcards: Any) -> str:
        """Return what turns text into ids for a tokenizer."""
        return self.recipe.tokenizers[wildcards.tokenizer].engine

    def tokenizer(self, wildcards: Any) -> str:
        """Return the manifest of the tokenizer of a run."""
        return f"results/tokenizers/{self._evaluations[wildcards.run].tokenizer}/manifest.json"

    def phase_shards(self, wildcards: Any) -> list[str]:
        """Return the manifests of all shards that a phase reads."""
        return list(map(shards, shards_of(rows_of(self._rows[f"{wildcards.run}.{wildcards.phase}"]))))

    def phase_slices(self) -> list[str]:
        """Return the slices of all phases."""
        return [f"results/recipe/phase/{owner}.{phase}.json" for owner, phase in self._owned]

    def all_rows(self) -> list[str]:
        """Return the lists of rows of all phases."""
        return [f"results/runs/{owner}/{phase}/rows.json" for owner, phase in self._owned]

    def all_shards(self) -> list[str]:
        """Return the manifests of all shards."""
        return list(map(shards, self._needs.shards))

    def previous(self, wildcards: Any) -> list[str]:
        """Return the checkpoint that a phase begins from, or nothing for the first one."""
        before = previous_phase(self.recipe, wildcards.run, wildcards.phase)
        return [pointer(*before)] if before else []

    def branched_from(self, wildcards: Any) -> list[str]:
        """Return the checkpoint of the phase that a phase is a beginning of, which is trained first; or nothing."""
        whole = branched_from(self.recipe, wildcards.run, wildcards.phase)
        return [pointer(*whole)] if whole else []

    def beginning_argument(self, wildcards: Any) -> str:
        """Return the command line option that names the checkpoint or the start a phase begins from, or nothing."""
        begun = [f"--previous {path}" for path in self.previous(wildcards)]
        return " ".join(begun + [f"--start {path}" for path in self.starts.manifest(wildcards)])

    def last_checkpoint(self, wildcards: Any) -> str:
        """Return the checkpoint that a run ends with."""
        return pointer(*self.way(wildcards.run)[-1])

    def last_slice(self, wildcards: Any) -> str:
        """Return the slice of the phase that a run ends with."""
        owner, phase = self.way(wildcards.run)[-1]
        return f"results/recipe/phase/{owner}.{phase}.json"

    def average(self, wildcards: Any) -> list[str]:
        """Return the slice of the checkpoints that a run's model is the mean of; nothing if it is the last alone."""
        return [f"results/recipe/average/{wildcards.run}.json"] if self.recipe.runs[wildcards.run].average else []

    def average_argument(self, wildcards: Any) -> str:
        """Return the command line option that names that slice, or nothing."""
        return " ".join(f"--average {path}" for path in self.average(wildcards))

    def lineage_checkpoints(self, wildcards: Any) -> list[str]:
        """Return the checkpoints of every phase of a run, in order."""
        return [pointer(*step) for step in self.way(wildcards.run)]

    def evaluation_shards(self, wildcards: Any) -> list[str]:
        """Return the manifests of all shards that a run is measured on, or compared with."""
        return list(map(shards, evaluation_shards(self._evaluations[wildcards.run])))

    def test_results(self, run: str | None = None) -> list[str]:
        """Return what is measured on the test split, of one run or of all: of those that the recipe names."""
        return [f"results/evaluation/{one}/test.json" for one in self.recipe.evaluation.test if run in (None, one)]

    def run_test(self, wildcards: Any) -> list[str]:
        """Return what is measured of a run on the test split, or nothing."""
        return self.test_results(wildcards.run)

    def run_contexts(self, wildcards: Any) -> list[str]:
        """Return what is measured on the kept checkpoints of every phase of a run, at each context."""
        way = self.way(wildcards.run) if self.recipe.evaluation.context_documents else []
        return [f"results/evaluation/{owner}/contexts/{phase}.json" for owner, phase in way]

    def tokenizer_shards(self, wildcards: Any) -> list[str]:
        """Return the manifests of all shards by a tokenizer that any run is trained or measured on."""
        own = [each for each in self._evaluations.values() if each.tokenizer == wildcards.tokenizer]
        return list(map(shards, sorted({one for each in own for one in evaluation_shards(each)})))

    def overlaps(self) -> list[str]:
        """Return what tells, for each tokenizer, how much of the held-out text stands in training text."""
        names = dict.fromkeys(each.tokenizer for each in self._evaluations.values())
        return [f"results/evaluation/overlap/{name}.json" for name in names]

    def run_overlap(self, wildcards: Any) -> str:
        """Return the same for the tokenizer of a run."""
        return f"results/evaluation/overlap/{self._evaluations[wildcards.run].tokenizer}.json"

    def compared_documents(self, wildcards: Any) -> list[str]:
        """Return the manifests of the sources that tokenizers are compared on."""
        return [manifest(source) for source in self._compared.sources]

    def foreign(self, wildcards: Any) -> str:
        """Return a tokenizer from elsewhere as the recipe names it."""
        return next(name for name in foreign_tokenizers(self.recipe) if file_name(name) == wildcards.foreign)

    def foreign_files(self, wildcards: Any) -> list[str]:
        """Return the file or directory of a tokenizer from elsewhere; none for one of the hub."""
        return [name] if Path(name := self.foreign(wildcards)).exists() else []

    def fertility_results(self) -> list[str]:
        """Return what is measured of tokenizers: the recipe's, then those from elsewhere."""
        own = [f"results/fertility/{name}.json" for name in self.recipe.tokenizers]
        return own + [f"results/fertility/foreign/{file_name(name)}.json" for name in foreign_tokenizers(self.recipe)]

    def run_fertility(self, wildcards: Any) -> str:
        """Return what is measured of a run's tokenizer."""
        return f"results/fertility/{self._evaluations[wildcards.run].tokenizer}.json"

    def results_by_hub(self) -> list[str]:
        """Return the results that say so where the hub was out of reach."""
        encoders = retrieval_encoders(self.recipe) if self.recipe.evaluation.retrieval.tasks else []
        tuned = [path for encoder in encoders for path in self._candidates(encoder)]
        results = [*self.retrieval_results(), *self.understanding.results(), *self.euroeval.by_hub()]
        return [*self.fertility_results(), *tuned, *results]

    def training_files(self, wildcards: Any) -> list[str]:
        """Return the files that an encoder learns to retrieve from, and those that choose its rate; none of the hub."""
        return self._training_files()

    def task_files(self, wildcards: Any) -> list[str]:
        """Return the files of a retrieval task; none for one of the hub."""
        return self._task_files(wildcards.task)

    def candidates(self, wildcards: Any) -> list[str]:
        """Return the fine-tunings of an encoder, one for each learning rate."""
        return self._candidates(wildcards.encoder)

    def encoder_model(self, wildcards: Any) -> list[str]:
        """Return the config.json of the model that an encoder is, or has the shape of; nothing for one of the hub."""
        where = self.encoder(wildcards)
        return [where] if where.endswith("config.json") else []

    def encoder(self, wildcards: Any) -> str:
        """Return the config.json of an encoder's model, or its name on the hub."""
        name = wildcards.encoder.removesuffix(UNTRAINED)
        if (foreign := self.recipe.evaluation.models.get(name)) is None:
            return f"results/models/{name}/config.json"
        return f"{foreign}/config.json" if Path(foreign).is_dir() else foreign

    def untrained_argument(self, wildcards: Any) -> str:
        """Return the command line option that begins from random weights, or nothing."""
        return "--untrained" if wildcards.encoder.endswith(UNTRAINED) else ""

    def retrieval_results(self, run: str | None = None) -> list[str]:
        """Return what is measured on retrieval, of one run or of all encoders and BM25."""
        encoders = retrieval_encoders(self.recipe)
        systems = [*encoders, BM25] if run is None else [one for one in encoders if one == run]
        tasks = self.recipe.evaluation.retrieval.tasks
        return [f"results/evaluation/retrieval/{task}/{system}.json" for task in tasks for system in systems]

    def run_retrieval(self, wildcards: Any) -> list[str]:
        """Return what is measured on the retrieval of a run."""
        return self.retrieval_results(wildcards.run)

    def _candidates(self, encoder: str) -> list[str]:
        rates = self.recipe.evaluation.retrieval.learning_rates
        return [f"results/retrieval/{encoder}/{rate:g}/result.json" for rate in rates]

    def _training_files(self) -> list[str]:
        retrieval = self.recipe.evaluation.retrieval
        files = [pairs.file for pairs in retrieval.train if pairs.file]
        return files + (_task_paths(retrieval.dev.folder, "dev") if retrieval.dev.folder else [])

    def _task_files(self, task: str) -> list[str]:
        folder = self.recipe.evaluation.retrieval.tasks[task].folder
        return _task_paths(folder, "test") if folder else []


def unreadable_files(recipe: Recipe) -> list[str]:
    """Return one sentence for each file of a source that is there and, by its first bytes, cannot be read."""
    found = []
    for name, source in recipe.sources.items():
        for path in filter(Path.is_file, map(Path, expand_files(source))):
            try:
                problem = problem_in(path, kind_of(path, source.plain_text))
            except UserError as error:
                problem = str(error)
            found += [f"sources.{name}.files: {problem}"] if problem else []
    return found


def _task_paths(folder: str, split: str) -> list[str]:
    return [f"{folder}/{name}" for name in ("corpus.jsonl", "queries.jsonl", f"qrels/{split}.tsv")]


def shards(one: Shards) -> str:
    """Return the manifest of a source's token shards."""
    return f"results/shards/{one.tokenizer}/{one.source}/manifest.json"


def pointer(run: str, phase: str) -> str:
    """Return the declared artifact of a phase."""
    return f"results/runs/{run}/{phase}/checkpoint.json"
