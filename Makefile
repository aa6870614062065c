# Two commands: `make demo` and `make test`. Both make .venv first; nothing else has to be installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint faults fuzz docs clean
# A virtual environment that was only half made is made again.
.DELETE_ON_ERROR:

demo: $(STAMP)
	$(BIN)/evoprune run digits --backbone tiny --output runs/demo

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Kills, full disks, damaged files: some ten minutes on two free cores. Writes its figures into docs/reliability.md.
faults: $(STAMP)
	@mkdir -p build && rm -f build/faults.jsonl
	EVOPRUNE_FAULTS=all EVOPRUNE_FAULTS_RECORD=$(CURDIR)/build/faults.jsonl \
		$(BIN)/python -m pytest -n 2 --dist worksteal -o timeout=7200 tests/faults tests/executors
	$(BIN)/python -m tests.faults.write_report build/faults.jsonl docs/reliability.md

# Damaged and hostile inputs to everything that reads, about a quarter of an hour; a small part of it is in the tests.
fuzz: $(STAMP)
	@mkdir -p build
	$(BIN)/python -m tests.fuzz.run --keep build/fuzz-faults --report build/fuzz.json

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A warning, such as a link that leads nowhere, is an error.
docs: $(STAMP)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# torch goes first: everything after it then finds the pinned build in place. The build backend goes
# with it, pinned too, instead of being fetched at its newest into an isolated environment.
$(STAMP): pyproject.toml constraints.txt requirements-test.txt | $(BIN)/python
	@echo "Installing the pinned packages into $(VENV); the first time takes some minutes."
	$(PIP) torch hatchling editables
	$(PIP) --no-build-isolation --editable . --requirement requirements-test.txt
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "evoprune needs Python 3.10 or newer, but $(PYTHON) is %d.%d; name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist docs/_build docs/reference .mypy_cache .ruff_cache .pytest_cache .hypothesis
