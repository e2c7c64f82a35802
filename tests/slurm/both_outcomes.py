"""A plugin of pytest: what failed and was run once more is told with both outcomes, after all else."""

from __future__ import annotations

import pytest

_first: dict[str, str] = {}
_second: dict[str, str] = {}


def _words(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr or report.outcome).splitlines()[0]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome == "rerun":  # type: ignore[comparison-overlap]
        _first[report.nodeid] = f"failed in its {report.when} ({_words(report)})"
    elif report.nodeid in _first and (report.failed or report.when == "call"):
        _second[report.nodeid] = f"failed ({_words(report)})" if report.failed else report.outcome


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _first:
        terminalreporter.section("run once more")
    for name, words in _first.items():
        terminalreporter.line(f"{name}: first {words}, then {_second.get(name, 'did not end')}")
