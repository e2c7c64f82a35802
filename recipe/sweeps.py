"""Runs that stand for several: another seed each (`seeds`), or another value of some keys (`grid`).

A recipe is spelt out before it is checked, so that all that comes later knows single runs only. `small` with three
seeds becomes `small`, `small-seed2` and `small-seed3`; with the RoPE thetas 10,000 and 160,000 it becomes `small-10k`
and `small-160k`, and its phases, whose stages differ, get such names too. A run that continues one that stands for
several becomes as many, each continuing one of them; what names such a run elsewhere names all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import log10
from typing import Any

from pydantic import BaseModel, ValidationError

from recipe.schema import BranchPoint, Model, Optimizer, Phase, Recipe, Run, Stage

OF_RUN = "model"
"""Key of a grid that is the run's own."""
OF_OPTIMIZER = "optimizer."
"""Begins keys of a grid that are the optimizer's; all others are those of a stage."""
NAMING_RUNS = {"runs", "test"}
"""Fields below `evaluation` that list runs."""
_NO_NAME = re.compile("[^a-z0-9]+")
Problem = tuple[str, str]
Point = dict[str, Any]


class SweepError(ValueError):
    """What a run says of seeds and grid cannot be spelt out; `problems` are (key path, sentence)."""

    def __init__(self, *problems: Problem) -> None:
        """Keep the problems."""
        super().__init__(*(sentence for _, sentence in problems))
        self.problems = problems


@dataclass(frozen=True)
class Member:
    """One of the runs that a run stands for."""

    name: str
    suffix: str
    """What was put after the name of the run for its place in grids."""
    seed: str = ""
    """What was put after that for its seed."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Phase of its way, as the recipe has it -> as it is spelt out, where that is another."""


def spelt_out(recipe: Recipe) -> Recipe:
    """Return a recipe in which every run stands for itself; the same one if every run does already.

    Raises:
        SweepError: a key of a grid is none, or one of its values fits not, or two runs would have one name.
    """
    if not any(run.seeds or run.grid for run in recipe.runs.values()):
        return recipe
    members: dict[str, list[Member]] = {}
    runs: dict[str, Run] = {}
    phases = dict(recipe.phases)
    for name in _parents_first(recipe):
        members[name] = []
        for member, run, own in _members(recipe, name, members):
            if member.name in runs or (member.name in recipe.runs and member.name != name):
                raise SweepError((f"runs.{name}", f"would be called {member.name}, as another; give one a new name."))
            members[name].append(member)
            runs[member.name] = run
            for phase, content in own.items():
                if phases.setdefault(phase, content) != content:
                    raise SweepError(
                        (f"runs.{name}.grid", f"would make a phase {phase}, as another; give the run a new name.")
                    )
    ordered = {one.name: runs[one.name] for name in recipe.runs for one in members.get(name, [])}
    left = {name: run for name, run in recipe.runs.items() if name not in members}
    spoken = {phase for run in (*ordered.values(), *left.values()) for phase in run.phases}
    gone = {phase for run in recipe.runs.values() for phase in run.phases} - spoken
    names = {name: [one.name for one in own] for name, own in members.items()}
    return recipe.model_copy(
        update={
            "runs": ordered | left,
            "phases": {name: phase for name, phase in phases.items() if name not in gone},
            "models": {name: _started(model, names) for name, model in recipe.models.items()},
            "evaluation": _naming(recipe.evaluation, names),
        }
    )


def _parents_first(recipe: Recipe) -> Iterator[str]:
    """Yield the runs, each after the one it continues; those of a circle, or after one that is absent, not at all."""
    told: set[str | None] = {None}
    waiting = list(recipe.runs)
    while ready := [name for name in waiting if recipe.runs[name].from_run in told]:
        yield from ready
        told |= set(ready)
        waiting = [name for name in waiting if name not in told]


def _members(
    recipe: Recipe, name: str, members: Mapping[str, Sequence[Member]]
) -> Iterator[tuple[Member, Run, dict[str, Phase]]]:
    """Yield each run that a run stands for, and the phases that are its alone, by name."""
    run = recipe.runs[name]
    if run.seeds and run.from_run is not None:
        raise SweepError(
            (f"runs.{name}.seeds", f"the run goes on with the weights of {run.from_run}; ask it for seeds.")
        )
    parents = members[run.from_run] if run.from_run is not None else [Member("", "")]
    for parent, (suffix, point) in product(parents, _points(name, run)):
        changes = "".join(f"-{slug(value)}" for value in _of_stages(point).values())
        mine = {phase: f"{phase}{changes}" for phase in run.phases} if changes else {}
        own = {new: _changed_phase(recipe, name, old, point) for old, new in mine.items() if old in recipe.phases}
        made = _changed_run(recipe, name, run, point)
        after = made.after and _renamed_point(made.after, parent.renamed)
        for number in range(run.seeds or 1):
            seed = f"-seed{number + 1}" if number else parent.seed
            first = name + parent.suffix + suffix
            update: dict[str, Any] = {
                "from_run": parent.name or None,
                "after": after,
                "phases": [mine.get(phase, phase) for phase in run.phases],
                "seeds": None,
                "grid": {},
                "seed": (recipe.seed if run.seed is None else run.seed) + number if number else run.seed,
                "seed_of": first if seed else run.seed_of,
            }
            member = Member(first + seed, parent.suffix + suffix, seed, {**parent.renamed, **mine})
            yield member, made.model_copy(update=update), own


def _points(name: str, run: Run) -> list[tuple[str, Point]]:
    """Return the points of a run's grid, each with what its name ends in; one without an end if it has no grid."""
    several = [key for key, values in run.grid.items() if len(values) > 1]
    points = [dict(zip(run.grid, values, strict=True)) for values in product(*run.grid.values())]
    named = [("".join(f"-{slug(point[key])}" for key in several), point) for point in points]
    if len({suffix for suffix, _ in named}) < len(named):
        raise SweepError((f"runs.{name}.grid", "has two values that make one name; leave one out."))
    return named


def slug(value: Any) -> str:
    """Return a value as part of a name: 160k for 160000, 3e-4 for 0.0003, 0p3 for 0.3, and text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NO_NAME.sub("-", str(value).lower()).strip("-")
    if value == int(value):
        for unit, letter in ((10**9, "b"), (10**6, "m"), (10**3, "k")):
            if value and value % unit == 0:
                return f"{int(value) // unit}{letter}"
        return str(int(value))
    power = int(log10(abs(value)) // 1)
    text = f"{value:.6g}" if power > -3 else f"{value / 10**power:.6g}e{power}"
    return text.replace(".", "p")


def _of_stages(point: Point) -> Point:
    return {key: value for key, value in point.items() if key != OF_RUN and not key.startswith(OF_OPTIMIZER)}


def _changed_run(recipe: Recipe, name: str, run: Run, point: Point) -> Run:
    update: dict[str, Any] = {}
    if OF_RUN in point:
        update["model"] = point[OF_RUN]
    if changed := {key.removeprefix(OF_OPTIMIZER): point[key] for key in point if key.startswith(OF_OPTIMIZER)}:
        given = (run.optimizer or recipe.optimizer).model_dump()
        update["optimizer"] = _validated(Optimizer, given | changed, f"runs.{name}.grid", OF_OPTIMIZER)
    return run.model_copy(update=update)


def _changed_phase(recipe: Recipe, name: str, phase: str, point: Point) -> Phase:
    changed = []
    for stage in recipe.phases[phase].stages:
        content = stage.model_dump()
        for key, value in _of_stages(point).items():
            *outer, last = key.split(".")
            part: Any = content
            for step in outer:
                part = part.get(step) if isinstance(part, dict) else None
            if not isinstance(part, dict) or last not in part:
                raise SweepError((f"runs.{name}.grid.{key}", "is no key of a stage, nor `model` or `optimizer.…`."))
            part[last] = value
        changed.append(_validated(Stage, content, f"runs.{name}.grid", ""))
    return Phase(stages=changed)


def _validated(kind: type[BaseModel], content: dict[str, Any], key: str, before: str) -> Any:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = before + ".".join(map(str, first["loc"]))
        raise SweepError((f"{key}.{path}", f"{first['msg']}, but is {first['input']!r}.")) from None


def _started(model: Model, names: Mapping[str, Sequence[str]]) -> Model:
    """Return a model that begins with the first of the runs that the one it names stands for."""
    if model.start is None or model.start.run is None or model.start.run not in names:
        return model
    return model.model_copy(update={"start": model.start.model_copy(update={"run": names[model.start.run][0]})})


def _renamed_point(after: BranchPoint, renamed: Mapping[str, str]) -> BranchPoint:
    return after.model_copy(update={"phase": renamed.get(after.phase, after.phase)})


def _naming(part: Any, names: Mapping[str, Sequence[str]]) -> Any:
    """Return a part of a recipe in which lists of runs name all that those stand for."""
    update = {}
    for key in type(part).model_fields:
        value = getattr(part, key)
        if key in NAMING_RUNS and isinstance(value, list):
            update[key] = [member for name in value for member in names.get(name, [name])]
        elif isinstance(value, BaseModel):
            update[key] = _naming(value, names)
    return part.model_copy(update=update)
