# `make` alone explains the project. Needs make and Python 3.11 or newer, nothing else.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
WORKERS ?= auto

# What the commands stand on: rebuilt only when a lock file or pyproject.toml changes.
RUN := .venv/run.stamp
TEST := .venv/test.stamp

.PHONY: help demo test test-browser test-postgres bench chaos check format lint types imports tests conformance lock sbom clean
.DEFAULT_GOAL := help

help:
	@echo 'Chartside puts predictive models at the patient'"'"'s chart. It is a CDS Hooks service: an EHR fires a hook,'
	@echo 'the chart is read as FHIR, published scores assess it, cards come back, the clinician'"'"'s answer is recorded.'
	@echo 'Imports point one way:  sandbox (a stand-in EHR) > cds_hooks (the service) > models > fhir_client'
	@echo 'A new service is one file in cds_hooks/services/, a new model one folder in models/; see CONTRIBUTING.md.'
	@echo '  make demo            service and sandbox EHR on loopback, synthetic patients; open http://127.0.0.1:8080/'
	@echo '  make test            make check  (format, lint, types, import rules) and make tests'
	@echo '  make test-browser    the sandbox in headless Chromium, screenshots kept'
	@echo '  make test-postgres   the journal and its roles on a real PostgreSQL, and two workers under load'
	@echo '  make bench           benchmarks, each a ratio against its floor'
	@echo '  make conformance     docs/conformance.md anew;  make lock  the lock files anew;  make sbom  their bill of materials'

demo: $(RUN)
	$(BIN)/chartside demo

test: check tests

check: format lint types imports

format: $(TEST)
	$(BIN)/ruff format --check .

lint: $(TEST)
	$(BIN)/ruff check .

types: $(TEST)
	$(BIN)/mypy

imports: $(TEST)
	$(BIN)/lint-imports --no-logo

tests: $(TEST)
	$(BIN)/python -m pytest -n $(WORKERS)

test-browser: $(TEST)
	$(BIN)/python -m pytest -m browser

test-postgres: $(TEST)
	$(BIN)/python -m tools.postgres $(BIN)/python -m pytest -m postgres tests/cds_hooks/journal tests/deploy

bench: $(RUN)
	$(BIN)/python -m tools.bench
	$(BIN)/python -m tools.bench_catalogue
	$(BIN)/python -m tools.bench_fhir
	$(BIN)/python -m tools.bench_journal

chaos: $(TEST)
	$(BIN)/python -m tools.chaos

conformance: $(TEST)
	$(BIN)/python -m tools.conformance

# Keeps the pins it finds; UPGRADE=--upgrade moves them all. Needs uv (`pip install uv`), and only here: a lock that holds
# for every platform at once is what pip itself cannot write. setuptools is in it for the editable install.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate $(UPGRADE) pyproject.toml requirements/build.in
lock:
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	$(LOCK) --extra test --extra postgres --output-file requirements/test.txt
	$(LOCK) --extra postgres --constraint requirements/test.txt --output-file requirements/postgres.txt
	$(LOCK) --constraint requirements/test.txt --output-file requirements/run.txt

# What runs in deploy/, as CycloneDX: licences are read from the packages that the test lock installed.
sbom: $(TEST)
	$(BIN)/python -m tools.sbom --output build/chartside.cdx.json

clean:
	rm -rf .venv .chartside .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'Chartside needs Python 3.11 or newer; name it with make PYTHON=...' >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Chartside needs Python 3.11 or newer, and $(PYTHON) is not' >&2; exit 1; }
	@echo 'Setting up .venv'
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; echo 'Python came without venv (Debian: python3-venv)' >&2; exit 1; }

# setuptools comes from the lock and builds the editable install without a second, unlocked download.
$(RUN): requirements/run.txt pyproject.toml | .venv/bin/python
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The test lock holds the run lock, so `make demo` after `make test` has nothing to do.
$(TEST): requirements/test.txt requirements/run.txt pyproject.toml | .venv/bin/python
	$(PIP) install --require-hashes -r requirements/test.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(RUN) $@
