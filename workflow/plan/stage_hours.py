"""What the jobs of each rule take, by those that have run in the working directory under the same profile."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from statistics import StatisticsError, linear_regression, mean

from common.files import read_json
from recipe.needs import whole_recipe
from recipe.reading import expand_files
from recipe.schema import Recipe
from workflow.noted import Job, read_jobs
from workflow.plan.profile import Profile
from workflow.provenance.invocations import invocation_at, read_invocations

_EACH_SOURCE = ("sample", "fingerprints", "shards")
"""Rules with a job for each source, whose text it reads."""
_ALL_SOURCES = ("held_out_text", "survivors", "words", "rows", "statistics", "overlap")
"""Rules whose jobs read the text of all sources, or what was made of it."""
_OF_TEXT = ("corpus", "duplicates", "words", "shards", "rows")
"""Folders below results/ that grow with the text."""
FAR = 100.0
"""A job is not foretold whose text is so many times as large as that of any job that was measured."""
_OF_SOURCE = re.compile(r"results/(?:corpus|duplicates|shards/[^/]+)/([^/]+)/")


@dataclass(frozen=True)
class StageTime:
    """What the jobs of a rule take."""

    hours: float
    """All together, from start to end; on a cluster with the time that jobs like them were in the queue."""
    longest_hours: float
    measured: int
    """Jobs from which it follows."""
    by_text: bool
    """By the size of the text that each reads; else jobs are taken to be alike."""


class StageHours:
    """What is known of the rules of a recipe."""

    def __init__(self, recipe: Recipe, profile: Profile, directory: Path) -> None:
        """Read what Snakemake has noted in its working directory of calls with this profile."""
        needs = whole_recipe(recipe)
        self._directory = directory
        self._raw = raw_bytes(recipe, needs.sources, directory)
        self._sources, self._shards = needs.sources, [one.source for one in needs.shards]
        self._jobs: dict[str, list[Job]] = {}
        calls, name = read_invocations(directory), profile_name(profile.path)
        for job in read_jobs(directory):
            if _profile_of(invocation_at(calls, job.began).get("command") or "") == name:
                self._jobs.setdefault(job.rule, []).append(job)

    def of(self, rule: str, jobs: int) -> StageTime | None:
        """Return what so many jobs of a rule take; None if none of it was measured, or none that is nearly as large."""
        if not jobs or not (measured := self._jobs.get(rule)):
            return None
        if rule in (*_EACH_SOURCE, *_ALL_SOURCES) and (planned := self._planned_bytes(rule, jobs)):
            return self._by_text(measured, planned)
        hours = [job.hours for job in measured]
        return StageTime(jobs * mean(hours), max(hours), len(hours), by_text=False)

    def text_bytes(self) -> int | None:
        """Return the bytes of documents, shards and rows of all sources, by what those that are sampled made of theirs.

        None where no source is, or the size of one is not known.
        """
        results = self._directory / "results"
        done = [name for name in self._raw if (results / "corpus" / name / "origins.json").is_file()]
        of_done = sum(self._raw[name] for name in done)
        if not of_done or len(self._raw) < len(self._sources):
            return None
        made = sum(path.stat().st_size for part in _OF_TEXT for path in (results / part).rglob("*") if path.is_file())
        return int(made * sum(self._raw.values()) / of_done)

    def _planned_bytes(self, rule: str, jobs: int) -> list[int]:
        """Return the raw bytes behind each job; none where the size of a source is not known."""
        if any(name not in self._raw for name in self._sources):
            return []
        if rule in _EACH_SOURCE:
            return [self._raw[name] for name in (self._shards if rule == "shards" else self._sources)]
        return [sum(self._raw[name] for name in self._sources)] * jobs

    def _by_text(self, measured: list[Job], planned: list[int]) -> StageTime | None:
        sizes = [self._read(job) for job in measured]
        if not max(sizes) or max(planned) > FAR * max(sizes):
            return None
        hours = [job.hours for job in measured]
        try:
            rate, start = linear_regression(sizes, hours)
        except StatisticsError:  # one job, or all as large
            rate, start = sum(hours) / sum(sizes), 0.0
        if rate < 0 or start < 0:
            rate, start = (sum(hours) / sum(sizes), 0.0) if start < 0 else (0.0, mean(hours))
        each = [start + rate * size for size in planned]
        return StageTime(sum(each), max(each), len(measured), by_text=True)

    def _read(self, job: Job) -> int:
        """Return the raw bytes behind what a job read."""
        names = {found for path in (*job.inputs, *job.outputs) for found in _OF_SOURCE.findall(path)}
        return sum(self._raw.get(name, 0) for name in names)


def raw_bytes(recipe: Recipe, sources: Collection[str], directory: Path) -> dict[str, int]:
    """Return source -> bytes of its raw files as they lie, of those that are sampled or whose files are all there."""
    found = {}
    for name in sources:
        origins = directory / "results" / "corpus" / name / "origins.json"
        if origins.is_file():
            found[name] = sum(file["bytes"] for file in read_json(origins)["files"])
            continue
        if directory.is_dir():
            with chdir(directory):
                paths = list(map(Path, expand_files(recipe.sources[name])))
                if paths and all(path.is_file() for path in paths):
                    found[name] = sum(path.stat().st_size for path in paths)
    return found


def profile_name(path: Path) -> str:
    """Return what tells profiles apart: the name of the folder, or of a file with another name than usual."""
    return path.resolve().parent.name if path.stem in ("profile", "config") else path.stem


def _profile_of(command: str) -> str | None:
    """Return the name of the profile in a command line of Snakemake."""
    words = shlex.split(command)
    for place, word in enumerate(words):
        option, _, value = word.partition("=")
        if option == "--profile":
            value = value or " ".join(words[place + 1 : place + 2])
            return Path(value).stem if value.endswith(".yaml") else Path(value).name
    return None
