# EuroEval: once an environment of its own, then a job for each encoder and data set.


rule euroeval_environment:
    input:
        workflow.source_path("../../envs/euroeval.txt"),
    output:
        ENVIRONMENT,
    log:
        "logs/euroeval/environment.log",
    # Nodes that compute often see no network.
    localrule: True
    conda:
        "../../envs/euroeval.yaml"
    message:
        "Finding or making the environment that EuroEval runs in"
    shell:
        'python -m evaluation.euroeval.environment --requirements "$PYTHONPATH/envs/euroeval.txt"'
        " --output {output:q} > {log:q} 2>&1"


rule euroeval:
    input:
        slice="results/recipe/euroeval/{task}.json",
        environment=ENVIRONMENT,
        model=dag.encoder_model,
        files=dag.euroeval.files,
    output:
        result="results/evaluation/euroeval/{task}/{encoder}.json",
    log:
        "logs/evaluation/euroeval/{task}/{encoder}.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        model=dag.encoder,
        untrained=dag.untrained_argument,
    message:
        "Letting EuroEval measure {wildcards.encoder} on {wildcards.task}"
    shell:
        "python -m evaluation.euroeval.measure --slice {input.slice:q} --environment {input.environment:q}"
        " --model {params.model:q} {params.untrained} --system {wildcards.encoder} --output {output.result:q}"
        " > {log:q} 2>&1"
