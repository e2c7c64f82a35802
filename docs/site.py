"""How the repository's pages become a site: a hook of MkDocs, which mkdocs.yml names and `make docs` runs.

The site has the paths of the repository, so a link from one page to another holds on GitHub and here, and nothing is
copied by hand. Pages are those that `nav` names. A file that they link to and that is no page, such as a recipe,
becomes one that shows it. A folder is no page: such a link becomes its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?P<text>\[[^\]\n]*(?:\n[^\]\n]*)?\])\((?P<target>[^\s()#:]+)(?P<anchor>#[^\s()]*)?\)")
FETCHED = re.compile(r"<(?:(?:script|img|iframe|source)\b[^>]*\bsrc|link\b[^>]*\bhref)=\"?(?:https?:)?//")
"""What a browser would fetch from elsewhere."""
LANGUAGES = {".yaml": "yaml", ".py": "python", ".smk": "python", ".sh": "bash", "": "text"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the pages that `nav` names, and what they link to, in place of what lies in docs/."""
    for file in [file for file in files if Path(file.src_dir or "") == ROOT / "docs"]:
        files.remove(file)
    pages = list(_paths(config.nav))
    for path in [*pages, *config.extra_css, *config.extra["polyfills"]]:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for path in sorted({target for page in pages for target in _linked(page) if _is_shown(target)}):
        file = File.generated(config, f"{path}.md", content=_shown(path), inclusion=InclusionLevel.NOT_IN_NAV)
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files lead to the pages that show them; on the first page, tell first where to read on."""
    path = page.file.src_uri

    def led(link: re.Match[str]) -> str:
        target = _resolved(path, link["target"])
        if (ROOT / target).is_dir():
            return link["text"][1:-1]
        shown = ".md" if _is_shown(target) else ""
        return f"{link['text']}({link['target']}{shown}{link['anchor'] or ''})"

    text = LINK.sub(led, markdown)
    return _leading(text, "Where to read on") if path == "README.md" else text


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page for which a browser would ask another host: the site works without a network."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches from elsewhere: {output[found.start() : found.end() + 60]}")
    return output


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Write the index of the search as a script too: a page that is opened as a file may not read JSON."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")


def _paths(nav: Any) -> Iterator[str]:
    """Yield the pages of a navigation, in order."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _paths(part)


def _linked(page: str) -> Iterator[str]:
    """Yield the paths that a page links to."""
    for link in LINK.finditer((ROOT / page).read_text(encoding="utf-8")):
        yield _resolved(page, link["target"])


def _resolved(page: str, target: str) -> str:
    """Return a link's target as a path of the repository."""
    return normpath(join(dirname(page), target))


def _is_shown(path: str) -> bool:
    """Return whether a path is a file that is no page by itself."""
    return (ROOT / path).is_file() and not path.endswith(".md")


def _shown(path: str) -> str:
    """Return a page that shows a file; the search does not look into it."""
    file = ROOT / path
    language = LANGUAGES.get(file.suffix, "text")
    return f"---\nsearch: {{exclude: true}}\n---\n# {path}\n\n~~~~{language}\n{file.read_text(encoding='utf-8')}~~~~\n"


def _leading(text: str, title: str) -> str:
    """Return a page with one section before all others, and the page's opening before it."""
    opening, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    (first,) = (section for section in sections if section.startswith(f"## {title}\n"))
    return "".join([opening, first.rstrip() + "\n\n", *(section for section in sections if section is not first)])
