# make core: environment and installation; after a change of the core, what changed.
# make demo: environment, installation, and the main job on the built-in head; make test: all tests but the slow ones,
# two files at a time; make test-all: the slow ones, too, with more examples; make lint: ruff, mypy, clang-format and
# clang-tidy.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: core demo test test-all lint clean
.DEFAULT_GOAL := core

# the folder, too, for files that go
CORE := CMakeLists.txt femtms/core $(wildcard femtms/core/*.cpp femtms/core/*.h)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

core: .venv/installed

# What builds stays in the environment, so that after a change only what changed is compiled.
.venv/created:
	$(PYTHON) -m venv .venv
	$(PIP) 'scikit-build-core>=0.11' cmake ninja
	touch $@

.venv/installed: .venv/created pyproject.toml $(CORE)
	$(PIP) --no-build-isolation --editable .
	touch $@

.venv/installed-dev: .venv/created pyproject.toml $(CORE)
	$(PIP) --no-build-isolation --editable '.[batch,dev]'
	touch .venv/installed $@

demo: .venv/installed
	$(BIN)/femtms simulate colin27 --coil figure8-70mm --at C3 --towards CP3 --size 4 -o demo --overwrite
	@echo "open demo/field.png"

PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/installed-dev
	$(PYTEST) -m "not slow" $(ARGS)

test-all: .venv/installed-dev
	$(PYTEST) --hypothesis-profile=many $(ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror femtms/core/*.cpp femtms/core/*.cu femtms/core/*.h
	ls femtms/core/*.cpp | xargs -P 2 -I FILE $(BIN)/clang-tidy --quiet FILE -- -std=c++17 -DFEMTMS_DIGEST='""'

clean:
	rm -rf .venv demo build dist
