"""The shape of the house: imports point down the floors and in no circle, files are short, and one idea each."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "common": 1,
    "recipe": 2,
    "corpus": 3,
    "slurm": 3,
    "model": 4,
    "evaluation": 5,
    "workflow": 5,
    "benchmarks": 5,
}
"""Room -> floor. A room imports from floors below its own, and from itself."""
MAX_LINES = 400
MAX_MEDIAN_LINES = 200
FILES = sorted(path for room in FLOORS for path in (ROOT / room).rglob("*.py"))


def module_of(path: Path) -> str:
    """Return the dotted name by which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path) for path in FILES}


def imports(path: Path) -> set[str]:
    """Return the modules of the house that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; name the room"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.partition(".")[0] in FLOORS:
                found.add(name if name in MODULES else name.rpartition(".")[0])
    return found


def place_of(module: str) -> str:
    """Return where a module stands in its room: the folder below it, or the module itself beside such folders."""
    return ".".join(module.split(".")[:2])


def test_every_import_points_down_the_floors_or_stays_in_its_room() -> None:
    upward = [
        f"{module_of(path)} (floor {FLOORS[path.relative_to(ROOT).parts[0]]}) imports {name}"
        for path in FILES
        for name in imports(path)
        if (room := name.partition(".")[0]) != (own := path.relative_to(ROOT).parts[0]) and FLOORS[room] >= FLOORS[own]
    ]
    assert not upward, "\n".join(upward)


@pytest.mark.parametrize("place", [lambda module: module, place_of], ids=["modules", "places in a room"])
def test_nothing_imports_in_a_circle(place) -> None:  # type: ignore[no-untyped-def]
    graph: dict[str, set[str]] = {}
    for path in FILES:
        own = place(module_of(path))
        graph.setdefault(own, set()).update(place(name) for name in imports(path) if place(name) != own)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_an_upward_import_would_be_seen() -> None:
    assert imports(ROOT / "workflow" / "dag.py") >= {"recipe.schema", "common.files"}
    assert "recipe.slices" in imports(ROOT / "slurm" / "status" / "survey.py")


def test_files_are_short() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    written = [size for size in sizes.values() if size]
    assert not [f"{path} has {size} lines" for path, size in sizes.items() if size > MAX_LINES]
    assert median(written) <= MAX_MEDIAN_LINES


def test_every_file_says_in_its_first_line_what_it_is() -> None:
    silent = [path for path in FILES if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent


def test_tests_stand_where_what_they_test_stands() -> None:
    rooms = {
        path.parent.relative_to(ROOT / "tests")
        for path in (ROOT / "tests").rglob("test_*.py")
        if not {"fake", "real"} & set(path.parts)
    }
    assert not [room for room in rooms if not (ROOT / room).is_dir()]
