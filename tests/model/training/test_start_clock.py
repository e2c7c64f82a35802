"""A start is told part by part, from the start of the process to the end of its first step."""

import re
import time

from model.training.start_clock import StartClock


def test_parts_add_up_to_the_age_of_the_process_and_end_with_the_first_step() -> None:
    clock = StartClock()
    for part in ("imports", "group", "imports", "first step", "group", "later"):
        assert clock.running or part in ("group", "later")
        clock.ended(part)
    assert list(clock.parts) == ["imports", "group", "first step"]
    with open("/proc/uptime", encoding="ascii") as stream:
        up = float(stream.read().split()[0])
    assert 0 < sum(part.clock for part in clock.parts.values()) <= up
    assert clock.parts["imports"].processor <= time.process_time()
    told = clock.sentence()
    assert re.fullmatch(
        r"the first step ended \d+\.\d s after the start: imports \d+\.\d, group 0\.0, first step 0\.0", told
    )
