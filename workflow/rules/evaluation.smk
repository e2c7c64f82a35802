# What a finished encoder can do: one JSON per model and evaluation.


rule fertility:
    input:
        slice="results/recipe/fertility.json",
        tokenizer="results/tokenizers/{tokenizer}/manifest.json",
        documents=dag.compared_documents,
    output:
        result="results/fertility/{tokenizer}.json",
    log:
        "logs/fertility/{tokenizer}.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Counting tokens per word of tokenizer {wildcards.tokenizer}"
    shell:
        "python -m evaluation.tokenizer.fertility --slice {input.slice:q} --tokenizer {input.tokenizer:q}"
        " --name {wildcards.tokenizer} --documents {input.documents:q} --output {output.result:q} > {log:q} 2>&1"


rule foreign_fertility:
    input:
        slice="results/recipe/fertility.json",
        files=dag.foreign_files,
        documents=dag.compared_documents,
    output:
        result="results/fertility/foreign/{foreign}.json",
    log:
        "logs/fertility/foreign/{foreign}.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        tokenizer=dag.foreign,
    message:
        "Counting tokens per word of tokenizer {params.tokenizer}"
    shell:
        "python -m evaluation.tokenizer.fertility --slice {input.slice:q} --tokenizer {params.tokenizer:q}"
        " --documents {input.documents:q} --output {output.result:q} > {log:q} 2>&1"


rule overlap:
    input:
        tokenizer="results/tokenizers/{tokenizer}/manifest.json",
        shards=dag.tokenizer_shards,
    output:
        result="results/evaluation/overlap/{tokenizer}.json",
    log:
        "logs/evaluation/overlap/{tokenizer}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    params:
        seed=dag.recipe.seed,
    message:
        "Looking for held-out text in training text, as ids of {wildcards.tokenizer}"
    shell:
        "python -m evaluation.overlap --tokenizer {input.tokenizer:q} --shards {input.shards:q} --seed {params.seed}"
        " --threads {threads} --output {output.result:q} > {log:q} 2>&1"


rule masked_language_modelling:
    input:
        slice="results/recipe/evaluation/{run}.json",
        model="results/models/{run}/config.json",
        rows="results/evaluation/{run}/rows.json",
        shards=dag.evaluation_shards,
    output:
        result="results/evaluation/{run}/mlm.json",
    log:
        "logs/evaluation/{run}/mlm.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Measuring held-out loss and accuracy of {wildcards.run}"
    shell:
        "python -m evaluation.masked.mlm --slice {input.slice:q} --model {input.model:q}"
        " --rows {input.rows:q} --shards {input.shards:q}"
        " --output {output.result:q} > {log:q} 2>&1"


rule final_test:
    input:
        slice="results/recipe/evaluation/{run}.json",
        model="results/models/{run}/config.json",
        rows="results/evaluation/{run}/test_rows.json",
        shards=dag.evaluation_shards,
    output:
        result="results/evaluation/{run}/test.json",
    log:
        "logs/evaluation/{run}/test.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        uses="results/evaluation/test_uses.jsonl",
    message:
        "Measuring {wildcards.run} on the test split"
    shell:
        "python -m evaluation.masked.mlm --split test --uses {params.uses:q} --slice {input.slice:q}"
        " --model {input.model:q} --rows {input.rows:q} --shards {input.shards:q}"
        " --output {output.result:q} > {log:q} 2>&1"


rule pseudo_perplexity:
    input:
        slice="results/recipe/evaluation/{run}.json",
        model="results/models/{run}/config.json",
        rows="results/evaluation/{run}/rows.json",
    output:
        result="results/evaluation/{run}/pseudo_perplexity.json",
    log:
        "logs/evaluation/{run}/pseudo_perplexity.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Measuring the pseudo-perplexity of {wildcards.run}"
    shell:
        "python -m evaluation.masked.pseudo_perplexity --slice {input.slice:q} --model {input.model:q}"
        " --rows {input.rows:q} --output {output.result:q} > {log:q} 2>&1"


rule context_lengths:
    input:
        slice="results/recipe/evaluation/{run}.json",
        phase="results/recipe/phase/{run}.{phase}.json",
        checkpoint="results/runs/{run}/{phase}/checkpoint.json",
        tokenizer=dag.tokenizer,
        rows="results/evaluation/{run}/rows.json",
        shards=dag.evaluation_shards,
    output:
        result="results/evaluation/{run}/contexts/{phase}.json",
    log:
        "logs/evaluation/{run}/contexts/{phase}.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Measuring what context is worth to {wildcards.run} along phase {wildcards.phase}"
    shell:
        "python -m evaluation.masked.contexts --slice {input.slice:q} --phase {input.phase:q}"
        " --checkpoint {input.checkpoint:q} --tokenizer {input.tokenizer:q} --rows {input.rows:q}"
        " --shards {input.shards:q} --output {output.result:q} > {log:q} 2>&1"


rule speed:
    input:
        model=dag.encoder_model,
    output:
        result="results/evaluation/{encoder}/speed.json",
    log:
        "logs/evaluation/{encoder}/speed.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        lengths=dag.recipe.evaluation.speed_lengths,
        name=dag.model_of,
        model=dag.encoder,
    message:
        "Measuring how fast {params.name} reads"
    shell:
        "python -m evaluation.speed --model {params.model:q} --name {params.name:q} --lengths {params.lengths}"
        " --output {output.result:q} > {log:q} 2>&1"


rule fill_mask:
    input:
        slice="results/recipe/evaluation/{run}.json",
        model="results/models/{run}/config.json",
    output:
        result="results/evaluation/{run}/fill_mask.json",
    log:
        "logs/evaluation/{run}/fill_mask.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Letting {wildcards.run} fill in the blanks"
    shell:
        "python -m evaluation.masked.fill_mask --slice {input.slice:q} --model {input.model:q}"
        " --output {output.result:q} > {log:q} 2>&1"
