# Documents to packed rows of token ids: one job per source, split and row length.


rule shards:
    input:
        tokenizer="results/tokenizers/{tokenizer}/manifest.json",
        documents="results/corpus/{source}/manifest.json",
    output:
        index="results/shards/{tokenizer}/{source}/{split}/{rowset}/index.json",
    log:
        "logs/shards/{tokenizer}/{source}/{split}-{rowset}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    # A resource: another engine gives the same ids, so that nothing is to be made again.
    resources:
        engine=dag.engine,
    params:
        tokenizer="results/tokenizers/{tokenizer}/tokenizer.json",
        rows=dag.rowset_arguments,
    message:
        "Packing {wildcards.source} ({wildcards.split}) into rows of {wildcards.rowset}"
    shell:
        "RAYON_NUM_THREADS={threads} python -m corpus.rows.shards --documents {input.documents:q}"
        " --tokenizer {params.tokenizer:q} --split {wildcards.split} {params.rows}"
        " --engine {resources.engine} --output {output.index:q} > {log:q} 2>&1"
