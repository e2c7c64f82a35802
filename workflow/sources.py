"""What the rules need to know of sources: their raw files, their manifests, and how they are compared."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from common.files import matching_files
from corpus.demo import interface_text
from corpus.demo.package_text import COLLECTIONS
from corpus.duplicates.settled import compared_digest, described, held_out_digest, is_settled
from corpus.sampling.origins import differences, same_source, sampled_by, slice_digest
from recipe.hub import is_on_hub, list_name
from recipe.needs import compared, looked_for, whole_recipe
from recipe.reading import expand_files
from recipe.schema import Recipe
from recipe.slices.making import (
    compared_sources,
    contamination_slice,
    duplicates_slice,
    fingerprint_slice,
    source_slice,
)
from recipe.slices.types import HubSlice
from recipe.types import Strict

PACKAGE_TEXT = {f"text/{name}.jsonl.zst" for name in COLLECTIONS | interface_text.COLLECTIONS}
"""Files that the workflow itself makes from packages."""
HUB = "text/hub"
"""Folder of what is fetched from the hub."""
NAMED = 3
"""Files that an error names, at most."""
HELD_OUT = "results/duplicates/held_out.json"


def manifest(source: str) -> str:
    """Return the manifest of a source's documents as all later stages read them."""
    return f"results/corpus/{source}/manifest.json"


def sampled(source: str) -> str:
    """Return the manifest of what a source's own steps leave, before sources are compared."""
    return f"results/corpus/{source}/sampled.json"


class Sources:
    """Answers the rules' questions about the sources of a recipe. Methods with `wildcards` serve as input functions."""

    def __init__(self, recipe: Recipe) -> None:
        """Look at a checked recipe."""
        self.recipe = recipe
        self.compared = compared_sources(recipe, whole_recipe(recipe).sources)
        """Those that are read, in the order in which their copies are kept."""
        self._addresses = {name: list(filter(is_on_hub, source.files)) for name, source in recipe.sources.items()}

    def slices(self) -> dict[str, Strict]:
        """Return name -> slice of each source, of what is fetched for it, and of how sources are compared."""
        sources: dict[str, Strict] = {f"source/{name}": source_slice(self.recipe, name) for name in self.recipe.sources}
        prints = {f"fingerprints/{name}": fingerprint_slice(self.recipe, name) for name in self.compared}
        fetched = {f"hub/{list_name(one)}": HubSlice(files=one) for one in self._addresses.values() if one}
        return {
            **sources,
            **fetched,
            **prints,
            "contamination": contamination_slice(self.recipe, self.compared),
            "duplicates": duplicates_slice(self.recipe, self.compared),
        }

    def documents(self) -> list[str]:
        """Return the manifests of all sampled sources."""
        return list(map(sampled, self.compared))

    def holding_out(self) -> list[str]:
        """Return those of sources that hold something out."""
        return list(map(sampled, contamination_slice(self.recipe, self.compared).sources))

    def manifests(self) -> list[str]:
        """Return the manifests of what is left of all sources when they have been compared."""
        return list(map(manifest, self.compared))

    def unsettled(self) -> list[str]:
        """Return the manifests of what is left of sources that are still to be compared with those before them.

        No rule makes the others again, so that a source which is added at the end leads to no job for one before it.
        """
        settled = self._settled()
        return [manifest(name) for name in self.compared if name not in settled]

    def _settled(self) -> set[str]:
        asked = duplicates_slice(self.recipe, self.compared)
        held_out = contamination_slice(self.recipe, self.compared)
        documents = {name: Path(sampled(name)) for name in self.compared}
        if not self.finished.issuperset(held_out.sources):
            return set()
        digest = held_out_digest(held_out, documents) if looked_for(self.recipe, self.compared) else ""
        prints = {name: described(fingerprint_slice(self.recipe, name)) for name in self.compared}
        found = set()
        for name in self.compared:
            if name not in self.finished:
                break
            if is_settled(Path(manifest(name)), compared_digest(asked, prints, documents, digest, name)):
                found.add(name)
        return found

    def fingerprints(self, wildcards: Any) -> list[str]:
        """Return the manifests of the fingerprints of all sources, if they are compared."""
        return (
            [f"results/duplicates/{name}/manifest.json" for name in self.compared]
            if compared(self.recipe, self.compared)
            else []
        )

    def set_files(self, wildcards: Any) -> list[str]:
        """Return the files of the evaluation sets that no source may train on."""
        patterns = [pattern for content in self.recipe.contamination.sets.values() for pattern in content.files]
        return sorted({file for pattern in patterns for file in matching_files(pattern)})

    def held_out(self, wildcards: Any) -> list[str]:
        """Return what training text may not hold, if there is any."""
        return [HELD_OUT] if looked_for(self.recipe, self.compared) else []

    def held_out_argument(self, wildcards: Any) -> str:
        """Return the command line option that names it, or nothing."""
        return " ".join(f"--held-out {path}" for path in self.held_out(wildcards))

    @cached_property
    def finished(self) -> set[str]:
        """Sources that are sampled as the recipe asks, which need their raw files no more."""
        return {name for name, digest in self._digests.items() if sampled_by(Path(sampled(name)), digest)}

    @cached_property
    def renamed(self) -> set[str]:
        """Sources that are sampled under another name, which is theirs no more or stays as it is.

        Where two change names, a job may replace what the other one would take over: they need their raw files.
        """
        under = {
            name: [other.parent.name for other in same_source(Path(sampled(name)), digest)]
            for name, digest in self._digests.items()
        }
        return {
            name
            for name, others in under.items()
            if any(other not in self.recipe.sources or other in self.finished for other in others)
        }

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {name: slice_digest(source_slice(self.recipe, name)) for name in self.recipe.sources}

    @cached_property
    def other_files(self) -> dict[str, list[str]]:
        """Finished source -> how the raw files that are there differ from those that were sampled, if they do."""
        found = {}
        for name in sorted(self.finished):
            present = [file for file in expand_files(self.recipe.sources[name]) if Path(file).is_file()]
            if changes := differences(Path(sampled(name)), set(present) - PACKAGE_TEXT):
                found[name] = changes
        return found

    def replaced(self) -> list[str]:
        """Return a sentence for each finished source whose raw files are there and are not what was sampled."""
        return [
            f"the files of source {name} are not those that were sampled ({_first(changes)}): delete {sampled(name)} "
            f"to sample them anew, with all that follows from it, or name only the former ones under "
            f"sources.{name}.files"
            for name, changes in self.other_files.items()
        ]

    def made_files(self, wildcards: Any) -> list[str]:
        """Return the files of a source that a rule makes. Others are no inputs: once sampled they may be away."""
        packaged = [file for file in expand_files(self.recipe.sources[wildcards.source]) if file in PACKAGE_TEXT]
        return packaged + self._hub_list(wildcards.source)

    def hub_argument(self, wildcards: Any) -> str:
        """Return the command line option that names the list of what was fetched for a source, or nothing."""
        return " ".join(f"--hub {path}" for path in self._hub_list(wildcards.source))

    def _hub_list(self, source: str) -> list[str]:
        """Return the list of what was fetched for a source, if anything; one for all that name the same."""
        return [f"results/hub/{list_name(addresses)}.json"] if (addresses := self._addresses[source]) else []


def _first(changes: list[str]) -> str:
    more = [f"and {len(changes) - NAMED} more"] if len(changes) > NAMED else []
    return "; ".join([*changes[:NAMED], *more])
