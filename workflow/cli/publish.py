"""`alasin publish`: a finished model, its card and chosen checkpoints go to the hub or to a store that speaks S3."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from common.errors import UserError
from common.quantities import amount
from recipe.checks import suggestion
from recipe.reading import read_recipe
from workflow.cli.explain.dry_run import CannotTellError, Job, planned
from workflow.cli.explain.mirror import mirrored
from workflow.cli.parser import Parser
from workflow.cli.run import snakemake_arguments
from workflow.publish.checkpoints import checkpoint_part
from workflow.publish.destination import Bucket, Repository, Store, destination_of
from workflow.publish.parts import CARD, Kept, Part, chosen, kept_checkpoints, model_part
from workflow.report.results import Results


def main() -> None:
    """Tell what is uploaded, then upload it."""
    parser = Parser(
        prog="alasin publish",
        description="Upload a finished model with its card, and checkpoints of its training if they are named. What is "
        "there with the same checksum is not sent again: after any end, the same command goes on.",
    )
    parser.add_argument("run", metavar="RUN", help="name of a run")
    parser.add_argument(
        "--to", required=True, metavar="PLACE", help="ORGANISATION/NAME on the hub, or s3://BUCKET/PREFIX"
    )
    parser.add_argument("--private", action="store_true", help="the hub: a new repository is not public")
    parser.add_argument(
        "--checkpoints", nargs="+", default=[], metavar="NAME", help="step-1200, or all: the hub has them as revisions"
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be uploaded")
    parser.add_argument("--configfile", type=Path, metavar="RECIPE", help="the recipe (default: that of the last run)")
    parser.add_argument("--directory", type=Path, default=Path(), help="where snakemake runs (default: here)")
    options = parser.parse_args()
    destination = destination_of(options.to)
    if options.private and isinstance(destination, Bucket):
        raise UserError("--private is for the hub; who may read a bucket is said in its store.")
    results = Results(options.directory / "results")
    if options.run not in (runs := results.finished_runs()):
        raise UserError(f"{results.folder} has no finished model {options.run}{suggestion(options.run, runs)}")
    check_present(options.run, options.directory, options.configfile)
    checkpoints = chosen(options.checkpoints, kept_checkpoints(results, options.run)) if options.checkpoints else []
    with TemporaryDirectory(prefix="alasin-publish-") as folder:
        model = model_part(results, options.run, destination.example(options.run), Path(folder))
        print(outline(model, checkpoints, str(destination)), flush=True)
        if options.dry_run:
            print("nothing was sent")
        else:
            publish(results, options.run, model, checkpoints, destination, options.private)


def publish(
    results: Results,
    run: str,
    model: Part,
    checkpoints: Sequence[Kept],
    destination: Repository | Bucket,
    private: bool,
) -> None:
    """Upload a model, then its checkpoints, each made when it is its turn and deleted when it is there."""
    # What a killed attempt leaves is found there by the next one.
    staged = results.folder / "publish" / run
    store = open_store(destination, private, staged)
    store.prepare()
    upload(store, model)
    for kept in checkpoints:
        folder = staged / kept.name
        source = results.folder / "models" / run
        upload(store, checkpoint_part(kept, source, run, str(destination), results.publish(), folder))
        shutil.rmtree(folder)
    shutil.rmtree(staged, ignore_errors=True)


def check_present(run: str, directory: Path, recipe: Path | None) -> None:
    """Raise `UserError` if Snakemake would do anything before a run's card is what the recipe asks for."""
    path = recipe or directory / "results" / "recipe" / "recipe.json"
    patterns = [pattern for source in read_recipe(path).sources.values() for pattern in source.files]
    target = f"results/models/{run}/{CARD}"
    with mirrored(directory, patterns) as mirror:
        try:
            jobs = planned(target, snakemake_arguments([str(path)]), mirror)
        except CannotTellError as error:
            raise UserError(str(error)) from None
    if jobs:
        raise UserError(_not_present(run, path, target, jobs))


def _not_present(run: str, recipe: Path, target: str, jobs: Sequence[Job]) -> str:
    count = f"{len(jobs)} jobs, first" if len(jobs) > 1 else "a job"
    return (
        f"{run} is not finished as {recipe} asks for it: {count} of rule {jobs[0].rule_name}, would come before. "
        f"alasin run does them; alasin explain {target} --configfile {recipe} tells why."
    )


def outline(model: Part, checkpoints: Sequence[Kept], place: str) -> str:
    """Return what is uploaded, file by file, and where to."""
    size = sum(file.bytes for file in model.files) + sum(kept.bytes for kept in checkpoints)
    more = f" and {len(checkpoints)} checkpoint{'s' if len(checkpoints) > 1 else ''}" if checkpoints else ""
    lines = [f"to {place}: {len(model.files)} files{more}, {amount(size)} bytes"]
    lines += [f"  {amount(file.bytes):>6}  {file.name}" for file in model.files]
    lines += [f"  {amount(kept.bytes):>6}  {kept.name}, of phase {kept.phase}: its weights" for kept in checkpoints]
    return "\n".join(lines)


def open_store(destination: Repository | Bucket, private: bool, staged: Path) -> Store:
    """Return the place to publish at; raises `UserError` if there is no token, or no library for it."""
    if isinstance(destination, Bucket):
        from workflow.publish.s3 import S3Store

        return S3Store(destination, staged / "uploads.json")
    from workflow.publish.hub import HubStore

    return HubStore(destination, private, lambda sentence: print(sentence, flush=True))


def upload(store: Store, part: Part) -> None:
    """Send what is missing of a part, and tell it."""
    what = part.checkpoint or "model and card"
    files = store.missing(part)
    if not files:
        print(f"{what}: there already, at {store.address(part)}", flush=True)
        return
    held = len(part.files) - len(files)
    size = amount(sum(file.bytes for file in files))
    print(f"{what}: sending {len(files)} files, {size} bytes{f'; {held} are there' if held else ''}", flush=True)
    store.send(part, files)
    print(f"{what}: at {store.address(part)}", flush=True)
