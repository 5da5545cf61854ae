# From a fresh checkout: `make demo` and `make test`. Each target makes an environment in .venv, installs what it needs,
# and runs; the second time it only runs. Needs Python 3.11 or newer: make demo PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
# What pip is told besides, such as an index with torch's builds for the CPU only.
PIP_OPTIONS ?=
# What pytest is told: make test TESTS="tests/test_cli.py -x"
TESTS ?=
# A folder of data sets to clone, as tests/benchmarks/README.md says: make bench DATA=folder
DATA ?=
# Where the demo's two databases go.
FOLDER ?= demo

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: help demo test lint bench clean

help:
	@echo "make demo    build a small shop, clone it, compare the two"
	@echo "make test    every test; those of a database server that is not there are skipped"
	@echo "make lint    style and errors that can be seen without running"
	@echo "make bench   the benchmarks: long; needs Postgres and MariaDB"
	@echo "make clean   remove the environment and the demo"

demo: $(INSTALLED)
	$(BIN)/dbsynth demo $(FOLDER) --iterations 300

test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(TESTS)

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .

bench: $(INSTALLED_DEV)
	$(BIN)/python tests/benchmarks/throughput.py
	$(if $(DATA),$(BIN)/python tests/benchmarks/clone.py $(DATA))
	$(if $(DATA),$(BIN)/python tests/benchmarks/schemas.py $(DATA))

clean:
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .ruff_cache .hypothesis

# setuptools warns of editable packages beside other folders, in twenty lines that nobody can act on: ignored.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("dbsynth needs Python 3.11 or newer, this is %d.%d; try make PYTHON=python3.12" \
		% sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	PYTHONWARNINGS=ignore $(PIP) install --quiet $(PIP_OPTIONS) --editable .
	@touch $@

# The group of packages for development needs pip 25.1, which the rule above installs.
$(INSTALLED_DEV): $(INSTALLED) pyproject.toml
	$(PIP) install --quiet $(PIP_OPTIONS) --group dev
	@touch $@
