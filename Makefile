# Each target works as the first command in a fresh clone. Variables: ENV (Kedro environment), ARGS (added to
# the command as they are), PORT (of the MLflow UI, or of the service), MODEL (the registered model that is
# served), PYTHON (the interpreter that .venv is made from).
.DEFAULT_GOAL := help
.PHONY: help install run test lint format ui serve bench repro lock

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lexipix-installed
ENV ?= base
PORT ?= 5000
MODEL ?= lexipix-generator

# No telemetry leaves a user's machine; the same as in src/lexipix/settings.py, for the tools that never read it.
export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*##\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

install: $(STAMP)  ## Make .venv from requirements.lock; nothing happens where it is up to date

$(STAMP): requirements.lock pyproject.toml
	@python=$${PYTHON:-$$(for p in python3 python3.13 python3.12 python3.11; do \
	  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)}; \
	[ -n "$$python" ] || { echo "lexipix needs Python 3.11 or newer: install it, or name it as PYTHON=/path/to/python." >&2; exit 1; }; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV) || \
	  { echo "No virtual environment could be made: on Debian and Ubuntu, install the package python3-venv." >&2; exit 1; }
	$(BIN)/python -m pip install -r requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	@touch $@

run: install  ## Train everything on the embedded scenes and write data/08_reporting/report.html
	$(BIN)/kedro run --env $(ENV) $(ARGS)

test: install  ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: install  ## Check style, types and the layers' imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/kedro dvc sync --check

format: install  ## Put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What is compared with is pinned here: it is no part of what lexipix needs, and nothing else of the lock moves.
# Both scripts know --env, --repeats, --threads and --out. benchmarks/quality.py needs the same packages and is
# no part of the target: it takes as long as a whole run.
bench: install  ## Compare drawing and every stage with what people would use instead; needs a finished `make run`
	$(BIN)/python -m pip install --quiet --constraint requirements.lock diffusers==0.42.1 datasets==5.2.0
	$(BIN)/python benchmarks/generation.py $(ARGS)
	$(BIN)/python benchmarks/stages.py $(ARGS)

ui: install  ## Browse the runs: curves, pictures, reports, models
	@store="$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"; server=http://127.0.0.1:$(PORT); \
	echo "MLflow UI: $$server  (stop it with Ctrl-C)"; \
	$(BIN)/python -m lexipix.tracking.views "$$store" "$$server" && \
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false PYTHONWARNINGS=ignore $(BIN)/mlflow ui --workers 1 \
	  --backend-store-uri "$$store" --host 127.0.0.1 --port $(PORT)

# MLflow starts the server by its name, hence the PATH.
serve: PORT := 5001
serve: install  ## Answer requests with the champion among the registered models; needs a finished `make run`
	@export MLFLOW_TRACKING_URI="$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"; \
	$(BIN)/python -m lexipix.tracking.registry "$(MODEL)" && \
	echo "$(MODEL): http://127.0.0.1:$(PORT)/invocations  (docs/serve.md says what to send; stop it with Ctrl-C)" && \
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONWARNINGS=ignore MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false \
	  mlflow models serve -m "models:/$(MODEL)@champion" --env-manager local --host 127.0.0.1 --port $(PORT)

repro: install  ## Bring every stage of dvc.yaml up to date; what is up to date already is not run again
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro $(ARGS)
	[ "$$LEXIPIX_MLFLOW" = 0 ] || $(BIN)/kedro dvc link

# Makes requirements.lock anew from pyproject.toml's ranges, in a virtual environment of its own. Which build of
# torch is installed (CPU, CUDA) is the package index's matter: the local version (+cpu) is dropped, and so are
# the CUDA libraries, whose versions torch's own metadata pins.
lock:  ## Take the newest allowed version of every dependency into requirements.lock
	@set -euo pipefail; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	python3 -m venv "$$work/venv"; \
	"$$work/venv/bin/python" -m pip install --quiet "$$(pwd)[dev]"; \
	{ echo "# Every version that \`make install\` installs. Made by \`make lock\`; do not edit."; \
	  "$$work/venv/bin/python" -m pip freeze --exclude lexipix --all | grep -Ev '^(pip|triton|nvidia-|cuda-)' | sed 's/+[a-z0-9.]*$$//'; } > requirements.lock.new; \
	mv requirements.lock.new requirements.lock
