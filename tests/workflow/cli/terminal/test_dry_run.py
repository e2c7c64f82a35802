"""What a dry run tells of a job: Snakemake's reasons, as long as a person reads them."""

import pytest

from workflow.cli.terminal.dry_run import shortened


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Missing output files: a, b", "Missing output files: a, b"),
        (
            "Missing output files: a; Input files updated by another job: b, c, d, e, f",
            "Missing output files: a; Input files updated by another job: b, c, d and 2 more",
        ),
        ("Forced execution", "Forced execution"),
        ("Params have changed: before: a, b, c, d, e", "Params have changed: before: a, b, c, d, e"),
    ],
)
def test_of_many_files_the_first_few_are_named(reason: str, told: str) -> None:
    assert shortened(reason) == told
