# Two commands do everything on a fresh machine with Python >= 3.11, make and gcc:
#
#   make train        make .venv, install, train Connect Four on the CPU, tell how to watch and play
#   make test         everything CI checks, at most 15 minutes on two cores
#
# and then: make play, make watch, make test-long.
#
# A machine with a GPU gets a CUDA build of torch through TORCH, the arguments with which pip installs it:
#
#   make train TORCH='torch --index-url INDEX'
#
# INDEX being the wheel index that PyTorch's own page names for your CUDA; the version stays the one in constraints.txt.

PYTHON ?= python3
TORCH ?=
RUN_DIR ?= runs/connect_four
SEED ?= 0

BIN := .venv/bin
# The stamp's name follows TORCH, so that asking for another build installs it.
STAMP := .venv/installed-$(shell printf '%s' '$(TORCH)' | cksum | cut -d ' ' -f 1)

.PHONY: train play watch test lint coverage test-long clean

train: $(STAMP)
	$(BIN)/keima train connect_four --run-dir $(RUN_DIR) --seed $(SEED)

play: $(STAMP)
	$(BIN)/keima play connect_four

watch: $(STAMP)
	$(BIN)/keima watch $(RUN_DIR)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Keima needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(TORCH),$(BIN)/python -m pip uninstall --yes torch && $(BIN)/python -m pip install -c constraints.txt $(TORCH))
	$(BIN)/python -m pip install -c constraints.txt -e '.[test]'
	@touch $@

# These share nothing but the machine: side by side they take two cores little more than half as long. The longest begin
# first; the tests with compiled kernels run in three parts.
test: $(STAMP)
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target coverage compiled-s-z compiled-a-g compiled-h-r lint

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The kernels run as plain Python, so that coverage sees their lines and both modes are tested.
coverage: export NUMBA_DISABLE_JIT := 1
coverage: $(STAMP)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90

compiled-%: $(STAMP)
	$(BIN)/pytest $(sort $(wildcard tests/test_[$*]*.py))

test-long: $(STAMP)
	$(BIN)/pytest -m long --timeout=7200

clean:
	rm -rf .venv build .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
