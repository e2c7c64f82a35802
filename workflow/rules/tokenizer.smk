# A byte-level BPE from a sample of the documents. Tokenizers with the same sample share its words and their counts.


rule words:
    input:
        slice="results/recipe/sample/{sample}.json",
        documents=dag.sample_documents,
    output:
        manifest="results/words/{sample}/manifest.json",
    log:
        "logs/words/{sample}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 2
    message:
        "Counting the words that tokenizers are trained on"
    shell:
        "python -m corpus.tokens.words --slice {input.slice:q} --documents {input.documents:q}"
        " --workers {threads} --output {output.manifest:q} > {log:q} 2>&1"


rule tokenizer:
    input:
        slice="results/recipe/tokenizer/{tokenizer}.json",
        documents=dag.tokenizer_documents,
        words=dag.tokenizer_words,
    output:
        manifest="results/tokenizers/{tokenizer}/manifest.json",
    log:
        "logs/tokenizers/{tokenizer}.log",
    wildcard_constraints:
        tokenizer=one_of(dag.trained_tokenizers),
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    message:
        "Training the tokenizer {wildcards.tokenizer}"
    shell:
        "python -m corpus.tokens.bpe --slice {input.slice:q} --documents {input.documents:q}"
        " --words {input.words:q} --output {output.manifest:q} > {log:q} 2>&1"


rule adopted_tokenizer:
    input:
        slice="results/recipe/tokenizer/{tokenizer}.json",
        files=dag.starts.tokenizer_files,
    output:
        manifest="results/tokenizers/{tokenizer}/manifest.json",
    log:
        "logs/tokenizers/{tokenizer}.log",
    wildcard_constraints:
        tokenizer=one_of(dag.starts.adopted),
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    message:
        "Taking over the tokenizer {wildcards.tokenizer}"
    shell:
        "python -m corpus.tokens.adopting --slice {input.slice:q} --output {output.manifest:q} > {log:q} 2>&1"
