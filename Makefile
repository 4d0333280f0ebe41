PYTHON ?= python3
BIN := .venv/bin

# Tests write and sync much, which takes a slow disk long: their folders are in memory where there is room for them.
SHM_FREE := $(shell df -kP /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }')
IN_MEMORY := $(shell test -w /dev/shm && test "$(SHM_FREE)" -gt 49152 && echo TMPDIR=/dev/shm)

.PHONY: test coverage demo docs bench check clean

# Install into .venv and run the tests; `make coverage` then says what they reached.
test: .venv/ready
	$(BIN)/coverage erase
	$(IN_MEMORY) $(BIN)/coverage run -m pytest -q

coverage: .venv/ready
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/coverage report --include=flowbuilder/engine/schedule.py --fail-under=100

# Install into .venv and run the main job on real input: the standard library of this Python.
demo: .venv/ready
	$(BIN)/flowbuilder run examples/flow_code_report.py \
		-P root="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
		-P output=code-report.html
	@echo "open code-report.html in a browser"

# Everything the gate holds, beside the tests: style, types, imports, docs.
check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs

docs: .venv/ready
	$(BIN)/python -m docs.generate --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Measure beside the standard library and peers, in an environment of its own; about ten minutes.
bench: .venv-bench/ready
	.venv-bench/bin/python -m tests.benchmarks

.venv-bench/ready: pyproject.toml tests/benchmarks/peers.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --editable .
	@while read -r peer; do \
		.venv-bench/bin/pip install --quiet "$$peer" || echo "$$peer cannot be installed and is left out"; \
	done < tests/benchmarks/peers.txt
	touch $@

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-bench .bench site dist build code-report.html nightly.sqlite
