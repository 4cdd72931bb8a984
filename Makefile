# Each target works as the first command in a fresh clone. Variables: ENV (Kedro environment), ARGS (appended to
# the command), PORT (of the MLflow UI, the service or the page), MODEL (the registered model to serve), PYTHON
# (the interpreter for .venv).
.DEFAULT_GOAL := help
.PHONY: help install run test test-cluster coverage lint format ui serve play docs bench fuzz chaos disk repro lock

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lexipix-installed
ENV ?= base
PORT ?= 5000
MODEL ?= lexipix-generator

# Switch off telemetry, as src/lexipix/settings.py does, for tools that do not import it.
export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1
export GRADIO_ANALYTICS_ENABLED := False
export RAY_USAGE_STATS_ENABLED := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*##\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

install: $(STAMP)  ## Create .venv from requirements.lock, if it is out of date

$(STAMP): requirements.lock pyproject.toml
	@python=$${PYTHON:-$$(for p in python3 python3.13 python3.12 python3.11; do \
	  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)}; \
	[ -n "$$python" ] || { echo "lexipix needs Python 3.11 or newer: install it, or set PYTHON=/path/to/python." >&2; exit 1; }; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV) || \
	  { echo "The virtual environment could not be created: on Debian and Ubuntu, install the package python3-venv." >&2; exit 1; }
	$(BIN)/python -m pip install -r requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	@touch $@

run: install  ## Train every model on the embedded scenes and write data/08_reporting/report.html
	$(BIN)/kedro run --env $(ENV) $(ARGS)

test: install  ## Run all tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-cluster: install  ## Run the tests that start Ray clusters on this machine
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-ray.lock
	$(BIN)/python -m pytest -m cluster $(ARGS)

coverage: install  ## Run all tests and report the covered lines; fewer than 90 % are an error
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

lint: install  ## Check style, types, import layers and DVC stages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/kedro dvc sync --check

format: install  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The packages to compare with are pinned here, since lexipix itself does not need them. Both scripts accept --env,
# --repeats, --threads and --out. benchmarks/quality.py needs the same packages; it is not part of the target,
# because it takes as long as a whole run.
bench: install  ## Compare the speed of drawing and of every stage with other tools; needs a finished `make run`
	$(BIN)/python -m pip install --quiet --constraint requirements.lock diffusers==0.42.1 datasets==5.2.0
	$(BIN)/python benchmarks/generation.py $(ARGS)
	$(BIN)/python benchmarks/stages.py $(ARGS)

# Goes on where it was stopped; --only CAMPAIGN …, --seed N, and --unit N to look at a fault.
fuzz: install  ## Try 10,000 hostile inputs: pictures, captions, metadata, archives, parameters, commands, requests
	$(BIN)/python -m tests.campaigns.fuzz $(ARGS)

# Goes on where it was stopped; --kills N, --only CHAIN ….
chaos: install  ## Kill runs 1,000 times and compare what they end in with undisturbed runs; takes hours
	$(BIN)/python -m tests.campaigns.chaos $(ARGS)

disk: install  ## Let the disk be full at one write after the other; needs the right to mount a file system
	$(BIN)/python -m tests.campaigns.disk $(ARGS)

ui: install  ## Open the MLflow UI: metrics, images, reports, models
	@store="$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"; server=http://127.0.0.1:$(PORT); \
	echo "MLflow UI: $$server  (stop it with Ctrl-C)"; \
	$(BIN)/python -m lexipix.tracking.views "$$store" "$$server" && \
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false PYTHONWARNINGS=ignore $(BIN)/mlflow ui --workers 1 \
	  --backend-store-uri "$$store" --host 127.0.0.1 --port $(PORT)

# MLflow starts the server by its name, so it must be on the PATH. More connections at once are answered with
# status 503.
serve: PORT := 5001
serve: install  ## Serve the champion of the registered models; needs a finished `make run`
	@export MLFLOW_TRACKING_URI="$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"; \
	$(BIN)/python -m lexipix.tracking.registry "$(MODEL)" && \
	echo "$(MODEL): http://127.0.0.1:$(PORT)/invocations  (requests: docs/serve.md; stop it with Ctrl-C)" && \
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONWARNINGS=ignore MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false \
	  UVICORN_LIMIT_CONCURRENCY=$${UVICORN_LIMIT_CONCURRENCY:-64} \
	  mlflow models serve -m "models:/$(MODEL)@champion" --env-manager local --host 127.0.0.1 --port $(PORT)

play: PORT := 7860
play: install  ## Open a page that draws while you type; needs a finished `make run`
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-play.lock
	$(BIN)/kedro play --env $(ENV) --port $(PORT) $(ARGS)

docs: install  ## Build the documentation as a site that opens from disk: site/index.html
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-docs.lock
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict $(ARGS)

repro: install  ## Run the stages of dvc.yaml that are out of date, of the environment ENV
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro $(ARGS) evaluation@$(ENV)
	[ "$$LEXIPIX_MLFLOW" = 0 ] || $(BIN)/kedro dvc link

# Resolves the ranges of pyproject.toml in a temporary virtual environment. The package index decides which build
# of torch is installed (CPU, CUDA): so the local version (+cpu) is removed, and the CUDA libraries, which torch's
# metadata pins.
lock:  ## Update requirements.lock to the newest allowed version of every dependency
	@set -euo pipefail; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	python3 -m venv "$$work/venv"; \
	"$$work/venv/bin/python" -m pip install --quiet "$$(pwd)[dev]"; \
	{ echo "# Every version that \`make install\` installs. Made by \`make lock\`; do not edit."; \
	  "$$work/venv/bin/python" -m pip freeze --exclude lexipix --all | grep -Ev '^(pip|triton|nvidia-|cuda-)' | sed 's/+[a-z0-9.]*$$//'; } > requirements.lock.new; \
	mv requirements.lock.new requirements.lock
