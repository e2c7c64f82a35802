# Documents to ids, stored once per tokenizer; and for each phase and evaluation an index of packed rows over them.


rule shards:
    input:
        tokenizer="results/tokenizers/{tokenizer}/manifest.json",
        documents="results/corpus/{source}/manifest.json",
    output:
        manifest="results/shards/{tokenizer}/{source}/manifest.json",
    log:
        "logs/shards/{tokenizer}/{source}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    # A resource: another engine gives the same ids, so that nothing is to be made again.
    resources:
        engine=dag.engine,
    message:
        "Turning {wildcards.source} into ids with {wildcards.tokenizer}"
    shell:
        "python -m corpus.tokens.shards --documents {input.documents:q} --tokenizer {input.tokenizer:q}"
        " --engine {resources.engine} --workers {threads} --output {output.manifest:q} > {log:q} 2>&1"


rule rows:
    input:
        slice="results/recipe/rows/{run}.{phase}.json",
        shards=dag.phase_shards,
    output:
        rows="results/runs/{run}/{phase}/rows.json",
    log:
        "logs/rows/{run}/{phase}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    message:
        "Packing rows for {wildcards.run}, phase {wildcards.phase}"
    shell:
        "python -m corpus.rows.index --slice {input.slice:q} --shards results/shards --rows results/rows"
        " --workers {threads} --output {output.rows:q} > {log:q} 2>&1"


rule held_out_rows:
    input:
        slice="results/recipe/held_out_rows/{run}.json",
        shards=dag.evaluation_shards,
    output:
        rows="results/evaluation/{run}/rows.json",
    log:
        "logs/evaluation/{run}/rows.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    message:
        "Packing held-out rows for {wildcards.run}"
    shell:
        "python -m corpus.rows.index --slice {input.slice:q} --shards results/shards"
        " --rows results/rows --workers {threads} --output {output.rows:q} > {log:q} 2>&1"


rule test_rows:
    input:
        slice="results/recipe/test_rows/{run}.json",
        shards=dag.evaluation_shards,
    output:
        rows="results/evaluation/{run}/test_rows.json",
    log:
        "logs/evaluation/{run}/test_rows.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    message:
        "Packing rows of the test split for {wildcards.run}"
    shell:
        "python -m corpus.rows.index --slice {input.slice:q} --shards results/shards"
        " --rows results/rows --workers {threads} --output {output.rows:q} > {log:q} 2>&1"
