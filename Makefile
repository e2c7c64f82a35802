# `make demo` trains the demonstration; `make test` and `make check` are what continuous integration runs.
# `make test-slurm` runs the tests that `make test` skips: it starts a Slurm on this machine, as root on Debian or Ubuntu.
# `make test-euroeval` runs EuroEval itself, in an environment of its own: some minutes and 2.3 GB the first time.
# `make docs` builds the site of the documentation, in an environment of its own: site/index.html opens in a browser.
# A machine with GPUs: make REQUIREMENTS=envs/cuda.txt …. Tests run in WORKERS processes.

PYTHON ?= python3
REQUIREMENTS ?= envs/cpu.txt
WORKERS ?= 2
ROOMS := common recipe corpus slurm model evaluation workflow benchmarks
CLUSTER := tests/slurm/real/cluster

.PHONY: demo test test-slurm test-euroeval check docs environment clean-demo

demo: environment
	@.venv/bin/python -m workflow.cli run config/demo.yaml --directory demo

test: environment .venv/.tracker.installed
	@.venv/bin/python -m pytest -n $(WORKERS)

# ALASIN_TEST_SLURM_KEEP=1 leaves the cluster up, for the next time. Tests lock /etc/hosts while they use the cluster.
test-slurm: environment
	@[ "$$ALASIN_TEST_SLURM_KEEP" = 1 ] || trap 'flock --close --nonblock /etc/hosts $(CLUSTER)/down.sh --purge' EXIT; \
	trap 'exit 130' INT TERM; \
	flock --close /etc/hosts $(CLUSTER)/up.sh --install && \
	ALASIN_TEST_SLURM_RUN=1 .venv/bin/python -m pytest tests/slurm/real

test-euroeval: environment
	@.venv/bin/python -m evaluation.euroeval.environment
	@ALASIN_TEST_EUROEVAL_RUN=1 .venv/bin/python -m pytest tests/evaluation/real

check: environment
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(ROOMS)
	.venv/bin/snakefmt --check Snakefile workflow/rules
	.venv/bin/snakemake --lint --configfile config/demo.yaml --directory .venv/lint

# Strict: a link or an anchor that leads nowhere is a warning, and one fails the build. With --quiet none would be counted.
# The variable silences an advertisement.
docs: .venv/docs/.installed
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --strict
	@echo "The documentation: site/index.html"

.venv/docs/.installed: envs/docs.txt
	@$(PYTHON) -m venv .venv/docs
	@.venv/docs/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

environment: .venv/$(notdir $(REQUIREMENTS)).installed .venv/bin/alasin

# The repository itself, in place: what it needs is installed already.
.venv/bin/alasin: pyproject.toml | .venv/$(notdir $(REQUIREMENTS)).installed
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# torch first and alone: with the others, pip may exchange the CPU wheel for a CUDA one while it looks for versions.
.venv/%.installed: envs/% envs/common.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; say which: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "Installing the packages of $< into .venv: about two minutes, once."
	@.venv/bin/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' $<)"
	@.venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Optional for people, not for tests.
.venv/.tracker.installed: envs/tracker.txt | .venv/$(notdir $(REQUIREMENTS)).installed
	@.venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

clean-demo:
	rm -rf demo
