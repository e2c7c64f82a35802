import os

from snakemake.utils import min_version

min_version("9.0")

# A linter makes nothing of a recipe and needs just any; Snakemake checks no environment for it, and that alone tells.
if not config and not workflow.check_envvars:

    configfile: workflow.source_path("config/demo.yaml")


# With `software-deployment-method: apptainer` every rule that does not say otherwise runs inside this image.
container: os.environ.get("ALASIN_IMAGE")


report: "workflow/report/captions/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/tokenizer.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/retrieval.smk"
include: "workflow/rules/understanding.smk"
include: "workflow/rules/euroeval.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        collect("results/models/{run}/README.md", run=dag.recipe.runs),
        "results/report.html",
