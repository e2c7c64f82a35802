"""What a phase draws of each source is what its steps draw, counted without walking them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.rows.mixture import Mixture
from corpus.rows.streams import heads_after, mixture_of
from model.history.drawing import draw
from model.history.plan import Plan
from model.history.position import DataPosition, Position
from recipe.schema import Batch
from tests.model.history.history_cases import phase, plan, stage

Counts = Counter[tuple[int, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


def walked(made: Plan, place: DataPosition) -> tuple[Counts, DataPosition]:
    """Return (stage, source) -> rows, row by row of each step, and where the data stands at the end."""
    counts: Counts = Counter()
    streams: dict[int, Mixture] = {}
    for point in made.points():
        mixed = made.blends[point.stage]
        place = place.following(mixed.digest)
        if place.stream not in streams:
            streams[place.stream] = mixture_of(mixed, place.begun, made.content.seed, place.stream)
        mixture = streams[place.stream]
        for begin, end in point.batch.ranges:
            components = mixture.locate(np.arange(begin, end))[0].tolist()
            counts.update((point.stage, mixed.parts[component].component.source) for component in components)
        end = point.batch.ranges[-1][1]
        place = replace(place, rows=end, heads=heads_after(mixed, mixture, place.begun, mixture.drawn(end)))
    return counts, place


stages = st.builds(
    stage,
    tokens=st.integers(700, 20_000),
    length=st.sampled_from([16, 32]),
    factors=st.sampled_from([{"one": 1.0, "two": 2.0}, {"one": 0.1, "two": 7.0}, {"one": 1.0}]),
    batch=st.sampled_from([Batch(tokens=320), Batch(tokens=640, start_tokens=64, warmup_steps=9)]),
    skip_rows=st.sampled_from([[], [(0, 4)], [(30, 33), (34, 90)], [(10**6, 10**6 + 1)]]),
)


@settings(max_examples=30)
@given(st.lists(stages, min_size=1, max_size=3), st.lists(stages, min_size=1, max_size=2))
def test_two_phases_draw_what_their_steps_draw_and_leave_each_source_where_those_leave_it(folder, first, second):
    place = told = DataPosition()
    for content in (phase(*first), phase(*second)):
        made = plan(content, folder, Position(history="00", data=place))
        counts, place = walked(made, place)
        drawn, told = draw(content, made.blends, told)
        assert told == place
        assert Counter({(one.stage, one.part.component.source): one.rows for one in drawn if one.rows}) == counts
