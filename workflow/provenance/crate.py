"""A finished run as a Workflow Run RO-Crate (https://w3id.org/ro/wfrun/workflow/0.5), by the library rocrate.

The Snakefile is its workflow, the recipe and raw text are what went in, results came out. One action stands for the
run, and one for each job of it. Files that are not inside are named by an address of their checksum (RFC 6920). Nobody
is named unless the records name somebody.
"""

from __future__ import annotations

import base64
import mimetypes
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from common.errors import UserError
from common.files import atomic_file, read_json, remove_staged
from workflow.provenance.contents import Contents, Part
from workflow.provenance.records import FOLDER

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
"""Where `sha256` is explained."""
VERSION = "1.1"
"""Of RO-Crate, on which these profiles stand."""
PACKAGE = "rocrate==0.16.0"
UNLICENSED = "No licence is given: ask whoever made it."
COMPLETED = "http://schema.org/CompletedActionStatus"
OWN_LICENSE = "https://spdx.org/licenses/Apache-2.0"
"""Of the workflow itself."""


def library() -> Any:
    """Return the module rocrate. Raises `UserError` where it is not installed."""
    try:
        return import_module("rocrate.rocrate")
    except ModuleNotFoundError as error:
        raise UserError(f"an RO-Crate needs a package that is not here ({error.name}): pip install {PACKAGE}") from None


def write_crate(path: Path, directory: Path, repository: Path, contents: Contents) -> None:
    """Write a run's RO-Crate as a zip file, whole or not at all.

    Args:
        path: of the zip file.
        directory: Snakemake's working directory.
        repository: of Alasin, with the Snakefile.
        contents: of the run.
    """
    crate = _Maker(library().ROCrate(version=VERSION), directory, repository, contents).make()
    remove_staged(path)
    with warnings.catch_warnings(), atomic_file(path) as stream:
        warnings.simplefilter("ignore")  # it warns of each file that is named only, which is meant
        for chunk in crate.stream_zip(chunk_size=1 << 20):
            stream.write(chunk)


def address(sha256: str) -> str:
    """Return a URI that names content by its SHA-256 (RFC 6920)."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{digest}"


class _Maker:
    """Puts the entities of a crate together."""

    def __init__(self, crate: Any, directory: Path, repository: Path, contents: Contents) -> None:
        self.crate, self.directory, self.repository, self.contents = crate, directory, repository, contents
        self.entities: dict[str, Any] = {}
        self.recipe = read_json(directory / "results" / "recipe" / "recipe.json")
        self.context = import_module("rocrate.model.contextentity").ContextEntity

    def make(self) -> Any:
        """Return the crate."""
        crate, records = self.crate, self.contents.records
        crate.metadata.extra_contexts.append(TERMS)
        self._root()
        workflow = self._workflow()
        jobs = self._jobs()
        made = {one["name"] for record in records for one in record["files"]}
        given = {one["name"] for record in records for one in record["inputs"]} - made
        run = crate.add_action(
            workflow,
            "#run",
            object=self._files(given),
            result=self._files(made),
            properties={
                "name": f"Alasin's workflow on the recipe {self.recipe['title']}",
                "startTime": min(record["began"] for record in records),
                "endTime": max(record["ended"] for record in records),
                "actionStatus": COMPLETED,
                "description": "; ".join(dict.fromkeys(filter(None, (one["call"].get("command") for one in records)))),
            },
        )
        if agents := self._agents():
            run["agent"] = agents
        crate.root_dataset["mentions"] = [run, *jobs]
        self._files({part.name for part in self.contents.parts.values() if self.contents.goes_in(part)})
        self._records()
        return crate

    def _records(self) -> None:
        """Add the records themselves, and what is known of each call of Snakemake."""
        for path in sorted((self.directory / FOLDER).rglob("*.json*")):
            name = path.relative_to(self.directory).as_posix()
            self.crate.add_file(path, name, properties={"name": name, "encodingFormat": "application/json"})

    def _root(self) -> None:
        crate, title = self.crate, self.recipe["title"]
        crate.name = f"{title}: encoders trained by Alasin"
        crate.description = (
            f"What the recipe {title} made: encoders, how they were measured, and how each file came about. "
            f"Commits of Alasin: {', '.join(self._commits()) or 'not known'}."
        )
        crate.datePublished = max(record["ended"] for record in self.contents.records)
        crate.license = self._license()
        profiles = [
            self.context(crate, address, properties={"@type": "CreativeWork", "name": name, "version": version})
            for address, name, version in PROFILES
        ]
        crate.add(*profiles)
        crate.root_dataset["conformsTo"] = profiles

    def _license(self) -> Any:
        """Return the licence of the weights by the recipe, as an entity, or a sentence."""
        said = read_json(self.directory / "results" / "recipe" / "publish.json")
        if not (name := said.get("license")):
            return UNLICENSED
        try:
            name = canonicalize_license_expression(name)
            link = said.get("license_link") or f"https://spdx.org/licenses/{name}"
        except InvalidLicenseExpression:
            name, link = said.get("license_name") or name, said.get("license_link") or f"#{name}"
        return self.crate.add(self.context(self.crate, link, properties={"@type": "CreativeWork", "name": name}))

    def _commits(self) -> list[str]:
        calls = [record["call"] for record in self.contents.records]
        told = [f"{one['commit']}{' with changes' if one.get('dirty') else ''}" for one in calls if one.get("commit")]
        return list(dict.fromkeys(told))

    def _workflow(self) -> Any:
        version = ", ".join(self._commits()) or "not known"
        license_ = self.crate.add(
            self.context(self.crate, OWN_LICENSE, properties={"@type": "CreativeWork", "name": "Apache-2.0"})
        )
        rules = [
            self.crate.add_file(
                path,
                path.relative_to(self.repository).as_posix(),
                properties={
                    "@type": ["File", "SoftwareSourceCode"],
                    "name": path.name,
                    "license": license_,
                    "version": version,
                },
                record_size=True,
            )
            for path in sorted((self.repository / "workflow" / "rules").glob("*.smk"))
        ]
        facts = {"name": "Alasin", "version": version, "hasPart": rules}
        return self.crate.add_workflow(
            self.repository / "Snakefile",
            "Snakefile",
            main=True,
            lang="snakemake",
            properties=facts | {"license": license_},
            record_size=True,
        )

    def _jobs(self) -> list[Any]:
        """Return an action for each job, whose outputs have a record each."""
        jobs: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
        for record in self.contents.records:
            jobs.setdefault((record["rule"], record["command"], record["seconds_since_epoch"]), []).append(record)
        rules: dict[str, Any] = {}
        actions = []
        for number, ((rule, command, _), records) in enumerate(jobs.items(), start=1):
            if rule not in rules:
                facts = {"@type": "SoftwareApplication", "name": f"rule {rule}", "version": facts_of(records[0])}
                rules[rule] = self.crate.add(self.context(self.crate, f"#rule-{rule}", properties=facts))
            inputs = {
                one["name"]
                for record in records
                for given in record["inputs"]
                for one in (given, *given.get("files", []))
            }
            made = {one["name"] for record in records for one in record["files"]}
            actions.append(
                self.crate.add_action(
                    rules[rule],
                    f"#job-{number}",
                    object=self._files(inputs),
                    result=self._files(made),
                    properties={
                        "name": f"{rule}: {records[0]['file']}",
                        "description": command or f"rule {rule}, by Snakemake itself",
                        "startTime": records[0]["began"],
                        "endTime": records[0]["ended"],
                        "actionStatus": COMPLETED,
                    },
                )
            )
        return actions

    def _agents(self) -> Any:
        """Return whoever called Snakemake, if the records name somebody; one alone, as RO-Crate wants it."""
        names = {one["names"]["user"] for record in self.contents.records if (one := record["call"]).get("names")}
        people = [
            self.crate.add(self.context(self.crate, f"#agent-{number}", properties={"@type": "Person", "name": name}))
            for number, name in enumerate(sorted(names), start=1)
        ]
        return people[0] if len(people) == 1 else people

    def _files(self, names: set[str]) -> Any:
        """Return entities of files whose checksum is known; one alone, as RO-Crate wants it."""
        found = [self._file(self.contents.parts[name]) for name in sorted(names) if name in self.contents.parts]
        return found[0] if len(found) == 1 else found

    def _file(self, part: Part) -> Any:
        inside = self.contents.goes_in(part)
        key = part.name if inside else address(part.sha256)
        if key not in self.entities:
            facts: dict[str, Any] = {"name": part.name, "contentSize": str(part.bytes), "sha256": part.sha256}
            if encoding := mimetypes.guess_type(part.name)[0]:
                facts["encodingFormat"] = encoding
            if inside:
                self.entities[key] = self.crate.add_file(self.directory / part.name, part.name, properties=facts)
            else:
                self.entities[key] = self.crate.add_file(key, properties=facts | {"alternateName": part.name})
        return self.entities[key]


def facts_of(record: Mapping[str, Any]) -> str:
    """Return the version of the code by which a result was made."""
    return record["call"].get("commit") or "not known"
