# Retrieval: an encoder learns it at each learning rate, the best by its dev score is measured on each task.


rule retrieval_text:
    input:
        wheel=WHEEL,
    output:
        train=f"{PAIRS}/train.jsonl",
        task=[
            f"{PAIRS}/{name}"
            for name in ("corpus.jsonl", "queries.jsonl", "qrels/dev.tsv", "qrels/test.tsv")
        ],
    log:
        "logs/text/retrieval.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Taking pairs of a string and its translation out of a package"
    shell:
        "python -m corpus.demo.parallel_pairs --wheel {input.wheel:q} --output {output.train:q} > {log:q} 2>&1"


rule fine_tune:
    input:
        slice="results/recipe/retrieval.json",
        model=dag.encoder_model,
        files=dag.training_files,
    output:
        result="results/retrieval/{encoder}/{rate}/result.json",
    log:
        "logs/retrieval/{encoder}/{rate}.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        model=dag.encoder,
        untrained=dag.untrained_argument,
    message:
        "Training {wildcards.encoder} to retrieve at {wildcards.rate}"
    shell:
        "python -m evaluation.retrieval.fine_tune --slice {input.slice:q} --model {params.model:q} {params.untrained}"
        " --learning-rate {wildcards.rate} --output {output.result:q} > {log:q} 2>&1"


rule retrieval:
    input:
        slice="results/recipe/retrieval/{task}.json",
        files=dag.task_files,
        candidates=dag.candidates,
    output:
        result="results/evaluation/retrieval/{task}/{encoder}.json",
    log:
        "logs/evaluation/retrieval/{task}/{encoder}.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Measuring the retrieval of {wildcards.encoder} on {wildcards.task}"
    shell:
        "python -m evaluation.retrieval.measure --slice {input.slice:q} --system {wildcards.encoder}"
        " --candidates {input.candidates:q} --output {output.result:q} > {log:q} 2>&1"


rule retrieval_bm25:
    input:
        slice="results/recipe/retrieval/{task}.json",
        files=dag.task_files,
    output:
        result="results/evaluation/retrieval/{task}/_bm25.json",
    log:
        "logs/evaluation/retrieval/{task}/_bm25.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Measuring the retrieval of BM25 on {wildcards.task}"
    shell:
        "python -m evaluation.retrieval.measure --slice {input.slice:q} --system BM25"
        " --output {output.result:q} > {log:q} 2>&1"
