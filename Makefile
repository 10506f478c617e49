# `make demo` and `make test` need only Python 3.11+ and make; they build .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TESTS := $(BIN)/python -m pytest -q -p no:randomly -n 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-random durations lint types unit slow smoke docs \
  same-bytes gpu-check pretext deploy-local deploy-containers bench-train bench-kernels \
  bench-rounds bench-gm bench-epic lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv with the pinned versions (demo and test do it for you)

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	  "fedgroup needs Python 3.11 or newer, %s is %d.%d: make PYTHON=python3.12 ..." \
	  % (sys.executable, *sys.version_info[:2]))'
	@echo "Creating $(VENV) (a few GB, a few minutes: PyTorch is the large part) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r constraints.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup ## Compare aggregation rules on the embedded data (about 6 minutes on 2 cores)
	$(BIN)/fedgroup run demo

test: setup lint types unit docs smoke ## Everything CI runs: lint, types, tests, docs, smoke

test-fast: setup lint types ## Lint, types and every test under a second (about 3 minutes)
	$(TESTS) -m "not slow" --fast

test-random: setup ## The fast tests in random order (-p randomly prints the seed)
	$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m "not slow"

durations: setup ## Write down which tests take a second or more (for make test-fast)
	$(BIN)/python -m pytest -q -p no:randomly -m "not slow" --write-durations

lint: setup ## Lint and check formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types
	$(BIN)/mypy

unit: setup ## Run all tests but the long ones
	$(TESTS) -m "not slow"

slow: setup ## Run the long tests too
	$(TESTS)

smoke: setup ## Run the command line and `flwr run` end to end on tiny settings
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/smoke.sh

docs: setup ## Build the docs as a site (site/index.html); a broken link or reference fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

same-bytes: setup ## Show a refactoring harmless: make same-bytes BASE=<commit>
	$(BIN)/python -m benchmarks.same_bytes --base $(BASE)

gpu-check: setup ## Test and measure on a GPU in under 8 minutes; a dry run where there is none
	$(BIN)/python -m benchmarks.gpu_check

pretext: setup ## Regenerate the embedded backbone (fedgroup/assets)
	$(BIN)/python -m fedgroup.pretext --out fedgroup/assets/small_pretext.safetensors

deploy-local: setup ## Compare two rules over a SuperLink and three SuperNodes on this machine
	$(BIN)/python -m deploy.local

deploy-containers: ## The same in containers (podman): minutes, gigabytes the first time
	sh tests/deploy/containers.sh

bench-train: setup ## Measure the trainer against a plain PyTorch loop
	$(BIN)/python -m benchmarks.bench_train

bench-kernels: setup ## Measure the aggregation kernels against Flower, numpy and torch
	$(BIN)/python -m benchmarks.bench_kernels

bench-rounds: setup ## Measure rounds against Flower, pfl and plain PyTorch (about 15 minutes)
	$(BIN)/python -m benchmarks.bench_rounds

bench-gm: setup ## Measure a step of gradient matching against a plain training step
	$(BIN)/python -m benchmarks.bench_gm

bench-epic: setup ## Measure EPIC's selection against a naive one (and rivals, see --help)
	$(BIN)/python -m benchmarks.bench_epic

lock: ## Pin again: needs uv on the PATH
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --extra dev pyproject.toml -o constraints.txt
	@sed -i '1i # Exact versions and hashes of all fedgroup needs, Python 3.11+; made by make lock' \
	  constraints.txt

clean: ## Remove the environment and caches (results stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info site
