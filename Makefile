# Everything that a newcomer types:  make run  ·  make test
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Half of what the tests do is waiting. PYTEST="-n 0 tests/journeys" runs some of them, one after the other.
PYTEST ?=

.PHONY: help run test check lock clean

help:
	@echo "make run    start everything on this machine, with the emulator when no upstream is configured"
	@echo "make test   run every check that CI runs: ruff, mypy, pytest with a real browser"
	@echo "make check  ruff and mypy alone"
	@echo "make lock   resolve requirements/*.txt anew from pyproject.toml"

run: $(VENV)/emulator.installed
	@exec $(BIN)/python -m switchboard up

test: $(VENV)/dev.installed check
	@sh requirements/system.sh chromium flite postgresql
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(PYTEST)

check: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("switchboard: Python 3.11 or later is needed, this is " + sys.version.split()[0] + "; set PYTHON=") if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh requirements/system.sh python3-venv
	@echo "switchboard: making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/%.installed: requirements/%.txt $(VENV)/bin/python
	@echo "switchboard: installing $<"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml

lock: $(VENV)/dev.installed
	$(LOCK) -o requirements/runtime.txt
	$(LOCK) --extra emulator -o requirements/emulator.txt
	$(LOCK) --extra emulator --extra dev -o requirements/dev.txt

clean:
	rm -rf $(VENV) var
