# `make demo` trains the demonstration; `make test` and `make check` are what continuous integration runs.
# A machine with GPUs: make REQUIREMENTS=envs/cuda.txt … (or envs/rocm.txt).

PYTHON ?= python3
REQUIREMENTS ?= envs/cpu.txt
ROOMS := corpus model evaluation slurm workflow benchmarks

.PHONY: demo test check environment clean-demo

demo: environment
	@.venv/bin/snakemake --profile profiles/local --configfile config/demo.yaml --directory demo
	@.venv/bin/python -m workflow.report.summary --results demo/results

test: environment
	@.venv/bin/python -m pytest

check: environment
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(ROOMS)
	.venv/bin/snakefmt --check Snakefile workflow/rules
	.venv/bin/snakemake --lint --configfile config/demo.yaml --directory .venv/lint

environment: .venv/$(notdir $(REQUIREMENTS)).installed

# torch first and alone: with the others, pip may exchange the CPU wheel for a CUDA one while it looks for versions.
.venv/%.installed: envs/% envs/common.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; say which: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "Installing the packages of $< into .venv: about two minutes, once."
	@.venv/bin/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' $<)"
	@.venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

clean-demo:
	rm -rf demo
