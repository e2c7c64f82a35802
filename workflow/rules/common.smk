# The recipe, checked; what every rule needs of Python; one Snakemake a directory.
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from common.errors import UserError
from common.messages import COMMAND
from common.processes import begin_in_utf8_mode
from workflow.averages import lost
from workflow.cost.meter import begin as begin_metering
from workflow.dag import PAIRS, WHEEL, Dag, unreadable_files
from workflow.euroeval import ENVIRONMENT
from workflow.directory_lock import hold, holder_elsewhere
from workflow.ending import Ending
from workflow.provenance.invocations import append_invocation
from workflow.provenance.records import write_records
from workflow.resources import read_as_meant
from workflow.runtime_keys import beside, lacking, take
from workflow.sources import HUB
from workflow.understanding import DEMO_FILES
from workflow.statistics.warning import told as told_of_text
from workflow.unmeasured import told
from recipe.extending import folder_of
from recipe.reading import load_recipe, unusable_files

SLICES = Path("results/recipe")

if workflow.is_main_process:
    # Snakemake has read the recipe in the locale's encoding, and would print in it.
    begin_in_utf8_mode()
read_as_meant(workflow.resource_settings)

try:
    runtime = take(config, workflow)
    # The launches of phases, which Snakemake starts here, send theirs by it.
    if "message" in runtime:
        os.environ[COMMAND] = runtime["message"]
    # No recipe serves when none is named: a forgotten option would train another one into somebody's results.
    if not workflow.configfiles and not config:
        raise UserError(
            "no recipe is named; add --configfile and its path, such as config/demo.yaml, or use `alasin run RECIPE`"
        )
    # Snakemake has read these files; where one gives a key twice it took the last and said nothing.
    folder = folder_of(map(Path, workflow.configfiles))
    dag = Dag(load_recipe(config, " + ".join(map(str, workflow.configfiles)), folder))
    names = " + ".join(Path(path).stem for path in workflow.configfiles) or "recipe"
    BESIDE = beside(runtime.get("tracker"), names)
    ending = Ending(names, logger, lambda: bool(workflow.scheduler._user_kill))
    # Whoever looks into every file does so once, not in each job.
    unreadable = unreadable_files(dag.recipe) if workflow.is_main_process else []
    if unusable := unusable_files(dag.recipe) + unreadable:
        raise UserError("\n".join(unusable))
    # A look with another recipe must not change the slices under phases that are being trained; a linter's writes none.
    holder = holder_elsewhere(Path.cwd())
    if holder is None and workflow.check_envvars:
        dag.write_slices(SLICES)
    elif holder and workflow.is_main_process:
        logger.warning(
            f"Another snakemake ({holder}) is at work here; its recipe stays in results/recipe."
        )
    if workflow.is_main_process:
        # A dry run goes no further than this.
        for sentence in [*dag.sources.replaced(), *lost(dag.recipe, Path("results"))]:
            logger.warning(f"{sentence.rstrip('.')}.")
    # Jobs on other nodes read the recipe again: as it is now, whatever an editor does to it meanwhile.
    if workflow.is_main_process:
        workflow.config_settings.configfiles[:] = [(SLICES / "recipe.json").absolute()]
except (UserError, OSError) as error:
    raise WorkflowError(str(error)) from None

# Every rule runs `python -m <room>.<stage>` from the working directory, with the Python that runs Snakemake; inside a
# container with that of /user-software, where packages are bound to the image (envs/lumi.sh), else with the image's.
shell.prefix(
    'if [ -n "${{SINGULARITY_CONTAINER:-}}${{APPTAINER_CONTAINER:-}}" ]; then PATH=/user-software/bin:$PATH; '
    f"else PATH={shlex.quote(os.path.dirname(sys.executable))}:$PATH; fi; "
    f"export PATH PYTHONUTF8=1 PYTHONPATH={shlex.quote(workflow.basedir)}; set -euo pipefail; "
)


def one_of(names):
    """Return a pattern of these names and no others."""
    return "|".join(names) or "(?!)"


wildcard_constraints:
    source="[a-z0-9-]+",
    list="[0-9a-f]+",
    tokenizer="[a-z0-9-]+",
    foreign="[^/]+",
    run="[a-z0-9-]+",
    model="[a-z0-9-]+",
    encoder=r"[a-z0-9-]+(\.untrained)?",
    rate="[0-9.e+-]+",
    task="[a-z0-9-]+",
    phase="[a-z0-9-]+",
    split="train|validation|test",
    rowset="[0-9]+(-words-[0-9]+-[0-9]*)?",


def end():
    """Leave what is on record of results, and tell what a person must know; a record that fails fails no run."""
    try:
        write_records(Path.cwd())
    except (UserError, OSError) as error:
        logger.warning(f"It is not on record how every result was made: {error}")
    for sentences in filter(None, [told_of_text(), told(dag.results_by_hub())]):
        logger.warning(sentences)


# Whether or not something else failed.
onsuccess:
    end()
    if unsent := ending.succeed(log):
        logger.warning(unsent)


onerror:
    end()
    if unsent := ending.fail(workflow.scheduler.failed, log):
        logger.warning(unsent)


onstart:
    try:
        hold(Path.cwd())
        if changed := dag.changed_slices(SLICES):
            raise UserError(
                f"while this snakemake was starting, another one wrote {len(changed)} slices of another recipe to "
                f"{SLICES}, {changed[0]}.json among them; run the same command again"
            )
        lacked = lacking(runtime.get("tracker"), Path(workflow.basedir))
        lacked += lost(dag.recipe, Path("results"))
        if stopped := dag.missing() + dag.sources.replaced() + lacked:
            raise UserError("\n".join(stopped))
        append_invocation(Path(workflow.basedir), sys.argv)
        # Of jobs elsewhere Slurm's accounting knows more.
        if workflow.local_exec:
            begin_metering()
    except (UserError, OSError) as error:
        raise WorkflowError(str(error)) from None
