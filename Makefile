# Every command sets up what it needs: `make demo` or `make test` on a fresh machine is enough.
#
#   make demo | test | bench | load | docs | lint | clean
#
# PYTHON      the interpreter that the environment is made from
# VENV        where the environment is kept
# SQLALCHEMY  a release line such as 2.0; the newest that is supported when empty
# ARGS        more arguments for the command that is run
#
# With GSC_POSTGRES_URL or GSC_MARIADB_URL set, `make test` runs the database tests as well, and with
# the former `make bench` measures on PostgreSQL, too; `make load`, which is a part of it, needs it.

PYTHON ?= python3
VENV ?= .venv
SQLALCHEMY ?=
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --prefer-binary
LINE := $(if $(SQLALCHEMY),"SQLAlchemy[asyncio]~=$(SQLALCHEMY).0")
DRIVERS := $(if $(GSC_POSTGRES_URL)$(GSC_MARIADB_URL),$(VENV)/databases.stamp)

.PHONY: demo test bench load run-bench docs lint clean

demo: $(VENV)/ready.stamp
	$(BIN)/python examples/chinook/demo.py $(ARGS)

test: $(VENV)/ready.stamp $(DRIVERS)
	$(BIN)/python -m pytest $(ARGS)

# With an environment of its own, because the stock package does not batch on SQLAlchemy 2.1:
# there, its DataLoader could not be measured.
bench:
	$(MAKE) run-bench VENV=.cache/bench SQLALCHEMY=2.0

load:
	$(MAKE) bench ARGS="load $(ARGS)"

run-bench: $(VENV)/load.stamp $(DRIVERS)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/docs.stamp
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build $(ARGS)

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest --mypy-config-file pyproject.toml graphene_sqlalchemy_c._core

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info graphene_sqlalchemy_c/*.so
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made.stamp:
	$(PYTHON) -m venv $(VENV)
	$(PIP) "setuptools>=77"
	touch $@

# The package is installed in place, so that an edited Python file needs no new build.
$(VENV)/ready.stamp: $(VENV)/made.stamp setup.py pyproject.toml $(wildcard src/*.c src/*.h)
	$(PIP) --no-build-isolation --editable ".[test,bench]" $(LINE)
	touch $@

# Any other extra of pyproject.toml.
$(VENV)/%.stamp: $(VENV)/ready.stamp
	$(PIP) --no-build-isolation --editable ".[$*]" $(LINE)
	touch $@
