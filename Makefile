# Everything is made in .venv, from pyproject.toml. `make` alone lists the targets.

PYTHON ?= python3
PY := .venv/bin/python
STAMP := .venv/.installed
ARGS ?=
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Where it is set, each of the processes that tests start would compile all of Dagger anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test check format format-check lint types floors prove explore bench docs ci-deps clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

install: $(STAMP) ## make .venv and install everything into it

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Dagger needs Python 3.11 or newer as $(PYTHON); name another with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) lacks venv or pip; install them (on Debian: apt-get install python3-venv)"; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## run the main example on real input and draw it; interrupted, it goes on next time
	$(PY) -m dagger run examples/code_census.py --store .dagger --dot run.dot --svg run.svg $(ARGS)

test: $(STAMP) ## run the tests; ARGS="-k name" chooses some
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: format-check lint types floors test ## all checks: format, lint, types, import floors, tests

format: $(STAMP) ## format the code and sort its imports
	$(PY) -m ruff check --quiet --select I --fix
	$(PY) -m ruff format

format-check: $(STAMP)
	$(PY) -m ruff format --check

lint: $(STAMP)
	$(PY) -m ruff check

types: $(STAMP)
	$(PY) -m mypy

floors: $(STAMP)
	.venv/bin/lint-imports

prove: $(STAMP) ## run the tests that have counts with the large ones
	DAGGER_PROVE=1 $(PY) -m pytest -n auto --dist worksteal $(ARGS)

explore: $(STAMP) ## look for examples that no property test has met yet; others each time
	DAGGER_PROVE=explore $(PY) -m pytest -n $(WORKERS) --dist worksteal -m hypothesis $(ARGS)

bench: $(STAMP) ## measure speed and memory; prints a table, writes JSON
	$(PY) -m tests.bench.run $(ARGS)

docs: $(STAMP) ## make the generated pages and pictures of docs/ anew
	$(PY) -m docs.make_reference
	$(PY) -m docs.make_grammar
	$(PY) -m docs.make_feeds
	$(PY) -m docs.pictures.make

ci-deps: ## install the Debian packages that pictures want, and get feeds for a test, where possible
	@if command -v dot >/dev/null; then echo "ci-deps: Graphviz is installed already"; \
	elif ! command -v apt-get >/dev/null; then echo "ci-deps: skipped, this is no Debian"; \
	elif [ "$$(id -u)" != 0 ]; then echo "ci-deps: skipped, only root may install packages"; \
	else apt-get update -qq && apt-get install -qq --yes --no-install-recommends graphviz || \
	  echo "ci-deps: Graphviz could not be installed; pictures stay DOT files"; fi
	@$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --no-binary feedparser \
	  --dest .corpus feedparser || echo "ci-deps: no sources of feedparser; a test of its feeds is skipped"

clean: ## remove what these targets made
	rm -rf .venv .corpus .dagger .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	rm -f run.dot run.svg bench.json
