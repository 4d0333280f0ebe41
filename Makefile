PYTHON ?= python3
BIN := .venv/bin

.PHONY: test
test: .venv/ready
	$(BIN)/python -m pytest -q

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
