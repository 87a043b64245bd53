# Everything starts here: `make tune` and `make test` set the environment up by themselves, once.
#
#   make tune    tune a small set of kernels for this machine and export them to build/kernels (minutes)
#   make test    run the tests; test-all runs the slow ones as well
#   make lint    ruff and mypy
#   make setup   only the environment in .venv
#   make clean   remove what these made, but not the database of records
#
# Variables: PYTHON (3.11 or newer), VENV, TRIALS and TIME (per workload), TARGET (a name or a YAML file; default: what
# this machine supports), WORKLOADS (a name or a YAML file), DB, OUT, PYTEST (more arguments for pytest).

VENV ?= .venv
TRIALS ?= 64
TIME ?= 60s
TARGET ?=
WORKLOADS ?= starter
DB ?= heron.db
OUT ?= build/kernels
PYTEST ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.heron-stamp

.DEFAULT_GOAL := help
.PHONY: help setup tune test test-all lint format clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml tools/setup.sh
	@PYTHON='$(PYTHON)' bash tools/setup.sh '$(VENV)'
	@touch $@

tune: $(STAMP)
	$(BIN)/heron tune --workloads $(WORKLOADS) $(if $(TARGET),--target $(TARGET)) --trials $(TRIALS) --time $(TIME) --db $(DB)
	$(BIN)/heron export-library $(if $(TARGET),--target $(TARGET)) --db $(DB) --out $(OUT) --force

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" $(PYTEST)

test-all: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
