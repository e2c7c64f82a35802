# Phases of training, and the export of what a run ends with. A phase is one job here, however many jobs of the cluster
# it takes: slurm.launch submits them, waits, and continues. Profiles set nodes and processes.


localrules:
    train,


rule start:
    input:
        slice="results/recipe/start/{model}.json",
        tokenizer=dag.starts.tokenizer,
        files=dag.starts.files,
    output:
        manifest="results/starts/{model}/manifest.json",
    log:
        "logs/starts/{model}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    message:
        "Making the weights that {wildcards.model} begins with"
    shell:
        "python -m model.starts --slice {input.slice:q} --tokenizer {input.tokenizer:q} --models results/models"
        " --output {output.manifest:q} > {log:q} 2>&1"


rule train:
    input:
        slice="results/recipe/phase/{run}.{phase}.json",
        tokenizer=dag.tokenizer,
        rows="results/runs/{run}/{phase}/rows.json",
        previous=dag.previous,
        start=dag.starts.manifest,
        # Where a run branches off in the middle of a phase, that is trained first, and a checkpoint kept for the run.
        branched_from=ancient(dag.branched_from),
        # Which checkpoints are kept and what is measured on the way decides nothing of the
        # result: another interval trains nothing again.
        keeping=ancient("results/recipe/keeping/{run}.{phase}.json"),
        validation=ancient("results/recipe/validation/{run}.json"),
        held_out=ancient("results/evaluation/{run}/rows.json"),
    output:
        checkpoint="results/runs/{run}/{phase}/checkpoint.json",
    log:
        "logs/runs/{run}/{phase}.log",
    # slurm.launch knows which failures are worth another job, and submits it.
    retries: 0
    conda:
        "../../envs/alasin.yaml"
    # The jobs that it submits enter the image themselves.
    container:
        None
    threads: 1
    resources:
        cluster="local",
        partition="",
        nodes=1,
        processes_per_node=1,
        devices=0,
        memory_gib=0,
        runtime=60,
        micro_batch_slots=8192,
        activation_checkpointing=0,
        deterministic=0,
        checkpoint_seconds=900,
        start_seconds=0,
        step_seconds=0,
        # What mirrors metrics to a tracker, if the profile says so; it decides nothing of the result.
        beside=lambda wildcards: BESIDE,
    params:
        folder=subpath(output.checkpoint, parent=True),
        previous=dag.beginning_argument,
    message:
        "Training {wildcards.run}, phase {wildcards.phase}"
    # A failed rule's log is shown whole: it holds what launch says, not what the ranks print for days.
    shell:
        "{{ python -m slurm.launch --cluster {resources.cluster:q} --partition={resources.partition:q}"
        " --nodes {resources.nodes} --processes-per-node {resources.processes_per_node}"
        " --devices {resources.devices} --memory-gib {resources.memory_gib}"
        " --minutes {resources.runtime} --start-seconds {resources.start_seconds}"
        " --step-seconds {resources.step_seconds}"
        " --inputs {input.slice:q} {input.rows:q} {input.previous:q} {input.start:q}"
        " --folder {params.folder:q} --done {output.checkpoint:q} --shortcut model.history {resources.beside} --"
        " python -m model.training.trainer --slice {input.slice:q} --tokenizer {input.tokenizer:q}"
        " --rows {input.rows:q} --folder {params.folder:q} {params.previous} --runs results/runs"
        " --keeping {input.keeping:q} --validation {input.validation:q} --validation-rows {input.held_out:q}"
        " --micro-batch-slots {resources.micro_batch_slots}"
        " --activation-checkpointing {resources.activation_checkpointing}"
        " --deterministic {resources.deterministic}"
        " --checkpoint-seconds {resources.checkpoint_seconds} 2>&1 >&3"
        " | tee -ai {log:q} >&2; }} 3>&1"


rule export:
    input:
        slice=dag.last_slice,
        checkpoint=dag.last_checkpoint,
        tokenizer=dag.tokenizer,
        average=dag.average,
    output:
        config="results/models/{run}/config.json",
    log:
        "logs/models/{run}.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        average=dag.average_argument,
    message:
        "Exporting {wildcards.run} for transformers"
    shell:
        "python -m model.export --checkpoint {input.checkpoint:q} --slice {input.slice:q} {params.average}"
        " --tokenizer {input.tokenizer:q} --output {output.config:q} > {log:q} 2>&1"
