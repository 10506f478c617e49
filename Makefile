# fedgroup: `make demo` and `make test` need only Python 3.11+ and make; they build .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types unit smoke slow pretext lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv with the pinned versions (demo and test do it for you)

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "fedgroup needs Python 3.11 or newer, %s is %d.%d: make PYTHON=python3.12 ..." % (sys.executable, *sys.version_info[:2]))'
	@echo "Creating $(VENV) (a few GB, a few minutes: PyTorch is the large part) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)
