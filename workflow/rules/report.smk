# What a person reads: of the text before it is trained on, a card per model, a report on all.


rule statistics:
    input:
        slice="results/recipe/statistics.json",
        phases=dag.phase_slices(),
        documents=dag.sources.manifests(),
        found="results/duplicates/manifest.json",
        shards=dag.all_shards(),
        rows=dag.all_rows(),
    output:
        told="results/statistics.json",
    log:
        "logs/statistics.log",
    # Before the phases: who reads here that a source is read too often has lost nothing yet.
    priority: 1
    conda:
        "../../envs/alasin.yaml"
    message:
        "Adding up what was removed and how often each source is read"
    shell:
        "python -m workflow.statistics --slice {input.slice:q} --results results"
        " --output {output.told:q} > {log:q} 2>&1"


rule model_card:
    input:
        slice="results/recipe/evaluation/{run}.json",
        notes="results/recipe/notes.json",
        publish="results/recipe/publish.json",
        phases=dag.lineage_checkpoints,
        model="results/models/{run}/config.json",
        results=collect(
            "results/evaluation/{{run}}/{kind}.json",
            kind=dag.recipe.evaluation.of_each_run(),
        ),
        test=dag.run_test,
        overlap=dag.run_overlap,
        contexts=dag.run_contexts,
        fertility=dag.run_fertility,
        # Of it a card tells what was removed, which changes nowhere but with the shards; what other runs
        # read of them is no matter of its own.
        statistics=ancient("results/statistics.json"),
        retrieval=dag.run_retrieval,
        understanding=dag.understanding.of_run,
        euroeval=dag.euroeval.of_run,
    output:
        card=report(
            "results/models/{run}/README.md",
            caption="../report/captions/card.rst",
            category="Models",
            labels={"run": "{run}", "what": "model card"},
        ),
    log:
        "logs/cards/{run}.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Writing the model card of {wildcards.run}"
    shell:
        "python -m workflow.report.card --results results --run {wildcards.run}"
        " --output {output.card:q} > {log:q} 2>&1"


rule comparison:
    input:
        slice="results/recipe/comparison.json",
        evaluations=collect("results/recipe/evaluation/{run}.json", run=dag.recipe.runs),
        models=collect("results/models/{run}/config.json", run=dag.recipe.runs),
        losses=dag.comparison.losses(),
        phases=dag.comparison.phases(),
        tasks=dag.comparison.tasks(),
    output:
        result="results/comparison.json",
    log:
        "logs/comparison.log",
    conda:
        "../../envs/alasin.yaml"
    message:
        "Comparing all runs with {dag.comparison.slice.reference}"
    shell:
        "python -m evaluation.comparison --slice {input.slice:q} --results results"
        " --output {output.result:q} > {log:q} 2>&1"


rule report:
    input:
        cards=collect("results/models/{run}/README.md", run=dag.recipe.runs),
        slices=collect("results/recipe/evaluation/{run}.json", run=dag.recipe.runs),
        notes="results/recipe/notes.json",
        fertility=dag.fertility_results(),
        statistics="results/statistics.json",
        comparison="results/comparison.json",
        retrieval=dag.retrieval_results(),
        understanding=dag.understanding.results(),
        euroeval=dag.euroeval.results(),
        speed=collect("results/evaluation/{encoder}/speed.json", encoder=dag.speed_encoders),
    output:
        page=report(
            "results/report.html",
            caption="../report/captions/report.rst",
            category="Report",
            labels={"what": "everything on one page"},
        ),
        figures=report(
            directory("results/figures"),
            patterns=["{figure}.svg"],
            caption="../report/captions/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/report.log",
    conda:
        "../../envs/alasin.yaml"
    params:
        title=dag.title,
        runs=list(dag.recipe.runs),
    message:
        "Writing the report"
    shell:
        "python -m workflow.report.html --results results --title {params.title:q}"
        " --runs {params.runs:q} --output {output.page:q} --figures {output.figures:q} > {log:q} 2>&1"
