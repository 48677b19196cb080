# `make run` sets everything up and runs the main job in the foreground; `make test` sets up what tests need and runs them all.
# A step that is done leaves a stamp named after what it was made from, and is not done again.

# What a shell holds for other environments: packages would be installed elsewhere, and other modules imported than ours.
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_USER

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The newest content of the lock and of the project's own metadata decides, never a file's date.
hash = $(shell cat $(1) pyproject.toml | sha256sum | cut -c1-16)
RUNTIME := $(VENV)/.runtime-$(call hash,requirements.lock)
DEV := $(VENV)/.dev-$(call hash,requirements-dev.lock)
# What is measured beside the product wants other versions of the same packages: an environment of its own.
BENCH_VENV := .venv-bench
BENCH := $(BENCH_VENV)/.bench-$(call hash,bench/requirements.lock)
# Two modules at once: most of a test's time is waiting, for servers that start or for one another.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help setup run test test-unit bench lint format lock clean

help:
	@echo "make setup      Python's environment and the jars, nothing else"
	@echo "make run        the whole stack in the foreground, with sample data; Ctrl-C stops it"
	@echo "make test       everything that has to be green: lint, unit, property and contract tests, then all on real components"
	@echo "make test-unit  lint, unit, property and contract tests: no server is started"
	@echo "make bench      measurements (BENCH_OPTIONS=\"--quick\" for a short one)"
	@echo "make lint       format, rules, types, import contracts;  make format  mends what can be mended"
	@echo "make lock       write down exactly what is installed;    make clean   remove environments and caches"

setup: $(RUNTIME)
	@$(BIN)/python -m connectors.local.jars

run: setup
	@exec $(BIN)/rewards up

test-unit: $(DEV) lint
	$(BIN)/pytest $(PARALLEL) tests/unit tests/properties tests/contract

test: setup test-unit
	CHROMIUM="$$($(BIN)/python -m tests.chromium)" $(BIN)/pytest $(PARALLEL) tests/integration tests/e2e

# BENCH_OPTIONS="--quick" or "--only latency,page --runs 5" for a part of it.
bench: $(DEV) $(BENCH) setup
	CHROMIUM="$$($(BIN)/python -m tests.chromium)" $(BIN)/python -m bench $(BENCH_OPTIONS)

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What a person chose stands in pyproject.toml and connectors/local/jars.py; these write down exactly what that means.
LOCK := $(BIN)/uv pip compile --quiet --no-header --no-emit-index-url --no-emit-find-links --generate-hashes --universal \
	--python-version 3.11 pyproject.toml --extra build
lock: $(DEV)
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	$(BIN)/python -m connectors.local.jars lock

clean:
	rm -rf $(VENV) $(BENCH_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; name one with 'make PYTHON=python3.12 …'" >&2; exit 1; }
	@echo "Setting up Python's environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "'$(PYTHON) -m venv' does not work here: install it (on Debian and Ubuntu the package python3-venv)" >&2; exit 1; }

$(RUNTIME): | $(BIN)/python
	@echo "Installing the Python packages of requirements.lock"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.runtime-* && touch $@

$(DEV): | $(RUNTIME)
	@echo "Installing the Python packages of requirements-dev.lock"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@rm -f $(VENV)/.dev-* && touch $@

$(BENCH): | $(BIN)/python
	@echo "Installing the Python packages of bench/requirements.lock"
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement bench/requirements.lock
	@rm -f $(BENCH_VENV)/.bench-* && touch $@
