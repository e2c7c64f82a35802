# A byte-level BPE from a sample of the documents.


rule tokenizer:
    input:
        slice="results/recipe/tokenizer/{tokenizer}.json",
        documents=dag.tokenizer_documents,
    output:
        manifest="results/tokenizers/{tokenizer}/manifest.json",
    log:
        "logs/tokenizers/{tokenizer}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 2
    message:
        "Training the tokenizer {wildcards.tokenizer}"
    shell:
        "RAYON_NUM_THREADS={threads} python -m corpus.tokens.bpe --slice {input.slice:q}"
        " --documents {input.documents:q} --output {output.manifest:q} > {log:q} 2>&1"
