# make demo: environment, installation, and the main job on the built-in head; make test: all tests but the slow ones,
# two files at a time, whose threads leave the cores to each other while they wait.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[batch,dev]'
	touch $@

demo: .venv/installed
	$(BIN)/femtms simulate colin27 --coil figure8-70mm --at C3 --towards CP3 --size 4 -o demo --overwrite
	@echo "open demo/field.png"

test: .venv/installed-dev
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv demo build dist
