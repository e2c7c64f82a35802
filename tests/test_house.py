"""The shape of the house: what docs/architecture.md draws is what the code is, and files are short."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FLOORS = {room: int(floor) for floor, room in re.findall(r"^floor (\d) +(\w+)/ ", PAGE, re.MULTILINE)}
"""Room -> floor, as drawn."""
MAX_LINES = 400
MAX_MEDIAN_LINES = 200
FILES = sorted(path for room in FLOORS for path in (ROOT / room).rglob("*.py") if path.stat().st_size)


def module_of(path: Path) -> str:
    """Return the dotted name by which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


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


def room_of(module: str) -> str:
    """Return the room of a module."""
    return module.partition(".")[0]


def place_of(module: str) -> str:
    """Return where a module stands in its room: the folder below it, or the module itself beside such folders."""
    return ".".join(module.split(".")[:2])


def knows(place: str) -> set[str]:
    """Return the other places of its room that a place imports."""
    found = {place_of(name) for path in FILES if place_of(module_of(path)) == place for name in imports(path)}
    return {other.partition(".")[2] for other in found if room_of(other) == room_of(place) and other != place}


def drawn_places() -> dict[str, set[str]]:
    """Return what the tables say: place -> the other places of its room that it knows."""
    lines = re.findall(r"^\| `(\w+)/(\w+)(?:/|\.py)` \| [^|]+ \| ([^|]*)\|$", PAGE, re.MULTILINE)
    return {f"{room}.{name}": set(re.findall(r"\w+", known)) for room, name, known in lines}


def test_every_room_is_drawn_on_its_floor() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(FLOORS) == rooms
    assert set(FLOORS.values()) == {1, 2, 3, 4, 5}


def test_every_import_points_down_the_floors_or_stays_in_its_room() -> None:
    upward = [
        f"{module_of(path)} (floor {FLOORS[own]}) imports {name} (floor {FLOORS[room_of(name)]})"
        for path in FILES
        for own in [room_of(module_of(path))]
        for name in imports(path)
        if room_of(name) != own and FLOORS[room_of(name)] >= FLOORS[own]
    ]
    assert not upward, "\n".join(upward)


def test_the_places_of_a_room_and_what_they_know_are_those_of_the_page() -> None:
    built = {place: knows(place) for place in {place_of(module) for module in MODULES}}
    assert drawn_places() == built


@pytest.mark.parametrize("part", [str, place_of], ids=["modules", "places"])
def test_nothing_imports_in_a_circle(part) -> None:  # type: ignore[no-untyped-def]
    graph: dict[str, set[str]] = {}
    for path in FILES:
        own = part(module_of(path))
        graph.setdefault(own, set()).update(part(name) for name in imports(path) if part(name) != own)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_imports_are_seen_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text("from recipe import schema\ndef f():\n    import common.files\n    from slurm.launch import main\n")
    assert imports(path) == {"recipe.schema", "common.files", "slurm.launch"}


def test_files_are_short() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not [f"{path} has {size} lines" for path, size in sizes.items() if size > MAX_LINES]
    assert median(sizes.values()) <= MAX_MEDIAN_LINES


def test_every_file_says_what_it_is() -> None:
    assert not [path for path in FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]


def test_tests_stand_where_what_they_test_stands() -> None:
    files = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    elsewhere = [path for path in files if not (ROOT / path.parent).is_dir() and path.parts[1] not in ("fake", "real")]
    assert not elsewhere
