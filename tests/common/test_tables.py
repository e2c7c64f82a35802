"""Text in columns."""

from __future__ import annotations

from common.tables import aligned


def test_text_begins_and_numbers_end_in_line_and_lines_end_with_what_is_seen() -> None:
    rows = [("phase", "job", "steps", "left"), ("stable", "7", "12", ""), ("late", "", "1,234", "3 h")]
    assert aligned(rows, left=2) == [
        "phase   job  steps  left",
        "stable  7       12",
        "late         1,234   3 h",
    ]
