"""Links between the repository's pages hold on GitHub and in the site of `make docs`, whose list of pages is whole."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_FENCED = re.compile(r"^(```+|~~~+).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")
_ELSEWHERE = ("https://", "http://", "mailto:")


def tracked(pattern: str) -> list[str]:
    """Return the files of the repository that match a pattern, new ones too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


PAGES = tracked("*.md")


def prose(text: str) -> str:
    """Return a page without its blocks of code."""
    return _FENCED.sub("", text)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: list[str] = []
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = found.count(slug)
        found.append(slug)
        if again:
            found.append(f"{slug}-{again}")
    return set(found)


def broken(page: str, text: str) -> list[str]:
    """Return the relative links and anchors of a page that lead nowhere."""
    wrong = []
    for link in _LINK.findall(_CODE.sub("", prose(text))):
        if link.startswith(_ELSEWHERE):
            continue
        target, _, anchor = link.partition("#")
        path = ROOT / page if not target else (ROOT / page).parent / target
        is_page = path.suffix == ".md"
        own = text if not target else path.read_text(encoding="utf-8") if is_page and path.is_file() else ""
        if not path.exists() or not path.resolve().is_relative_to(ROOT) or (anchor and anchor not in anchors(own)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_and_anchors_of_a_page_lead_somewhere(page: str) -> None:
    assert broken(page, (ROOT / page).read_text(encoding="utf-8")) == []


def test_a_link_to_nowhere_and_an_anchor_that_no_heading_has_are_found() -> None:
    text = "# `One` (two)\n\n[a](#one-two) [b](#one) [c](none.md) [d](README.md#goals-and-what-is-not-there)\n"
    text += "[e](README.md#x)\n"
    text += "\n```\n[code](none.md)\n```\n`[code](none.md)`\n"
    assert broken("CONTRIBUTING.md", text) == ["#one", "none.md", "README.md#x"]


def test_every_page_is_in_the_navigation_of_the_site_and_no_other() -> None:
    listed = re.findall(r"^ +- .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_lists_and_tables_of_a_page_follow_an_empty_line_for_every_reader_of_markdown(page: str) -> None:
    lines = prose((ROOT / page).read_text(encoding="utf-8")).splitlines()
    opened = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if (re.match(r"[-*] |\d+\. ", line) and before and not re.match(r" |[-*] |\d+\. ", before))
        or (line.startswith("|") and before and not before.startswith("|"))
    ]
    assert opened == []
