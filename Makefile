# Every target installs what it needs into .venv first. See BUILD.md.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUN := runs/demo
JOBS ?= 2
# Of the campaign. Bash has a variable of its own that is named SECONDS.
SECONDS := $(if $(filter command line,$(origin SECONDS)),$(SECONDS),3600)
SEED ?= 0
# Tests of one file share what they prepare, so a file stays in one process. Compiled
# modules are kept whatever the environment says: pytest rewrites 500 of them at a start.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile
DEFAULT = -m "not slow and not vendor and not emulated and not pages"

.PHONY: help install demo test test-quick test-slow test-vendor test-emulated test-pages test-docs test-wheel lint format bench campaign clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP)  ## create .venv with the pinned requirements, by their hashes

$(STAMP): setup.cfg pyproject.toml requirements.txt requirements-build.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not installed; give another with PYTHON=python3.12" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --only-binary=:all: -r requirements-build.txt
	$(PIP) --require-hashes --no-build-isolation -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## train, quantize, export and verify a small network: runs/demo
	@$(BIN)/python -m tfpipeline.train --flagfile=experiments/demo/demo.flags --workdir=$(RUN)

test: $(STAMP)  ## the default tests, in JOBS processes
	@$(PYTEST) $(DEFAULT) $(PYTEST_FLAGS)

test-quick: $(STAMP)  ## of the default tests, those without TensorFlow and processes
	@$(PYTEST) $(DEFAULT) --quick $(PYTEST_FLAGS)

test-slow: $(STAMP)  ## tests of over ten seconds: every network end to end, kill and resume
	@$(PYTEST) -m slow $(PYTEST_FLAGS)

test-vendor: $(STAMP)  ## tests against other projects' files and tools, where they are present
	@$(BIN)/python -m pytest -m vendor $(PYTEST_FLAGS)

test-emulated: $(STAMP)  ## tests that run cross-compiled C in an emulator, where it is installed
	@$(BIN)/python -m pytest -m emulated $(PYTEST_FLAGS)

test-wheel: $(STAMP)  ## the wheel in a fresh environment: demo, estimate, export of an own file
	@$(BIN)/python -m tests.fresh_wheel

test-pages: $(STAMP)  ## pages of runs in a headless browser, where one is installed; pictures in build/pages
	@$(BIN)/python -m pytest -m pages $(PYTEST_FLAGS)

test-docs: $(STAMP)  ## the commands of README and docs in order, what they print beside what is shown
	@$(BIN)/python -m tests.walk $(PAGES)

lint: $(STAMP)  ## ruff, and mypy: strict where TensorFlow is not
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP)  ## apply ruff's fixes and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP)  ## speeds as ratios in one run
	@$(BIN)/python -m tests.benchmarks

campaign: $(STAMP)  ## faults for an hour: kills, hostile disks, damaged files, random networks
	@$(BIN)/python -m tests.campaign --seconds=$(SECONDS) --seed=$(SEED) --jobs=$(JOBS)

clean:  ## remove the environment and caches; runs stay
	rm -rf $(VENV) tfpipeline.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
