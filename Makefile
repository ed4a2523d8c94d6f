# County microbalance: `make demo` runs it, `make test` tests it; both set up all that they need.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
APP := hub/console/app
TEST_PACKAGES := mosquitto postgresql chromium fonts-noto-cjk poppler-utils
ARGS ?=

.PHONY: help setup demo test check bench soak console lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 10

setup: .venv/ready  ## the environment in .venv, from the lock file

.venv/ready: requirements.lock pyproject.toml setup.py $(wildcard grid_models/kernel/*.[ch])
	@.ci/python-ready $(PYTHON) >&2
	@echo "setup: environment in .venv (a few minutes the first time)" >&2
	@$(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . >&2
	@touch .venv/ready

demo: setup  ## one operating day of the demo county, with console; ARGS="--exit --json" and others: see --help
	@$(BIN)/microbalance demo $(ARGS)

test: setup  ## every test, two side by side; ARGS="-n 0 tests/market" and others: see pytest --help
	@.ci/debian-packages $(TEST_PACKAGES)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(ARGS)

check: setup  ## format, lint, types, import directions
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && echo "check: ruff clean"
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo | tail -n 4

bench: setup  ## the benchmarks, against a peer in the same run
	@$(BIN)/microbalance bench $(ARGS)

soak: setup  ## long runs: a whole day three times, undisturbed, again, and killed
	@.ci/debian-packages $(TEST_PACKAGES)
	@$(BIN)/python -m pytest tests/soak -m soak $(ARGS)

console:  ## rebuild the console's assets into hub/console/static (needs Node 20.19 or newer)
	@cd $(APP) && npm ci --no-audit --no-fund && npm run build

lock: setup  ## resolve the dependencies anew
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --all-extras --no-emit-index-url --no-emit-find-links \
	  --no-header --python-version 3.11 pyproject.toml -o requirements.lock

clean:  ## remove what setup, tests and the demo made
	rm -rf .venv out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
