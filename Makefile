# `make` alone lists what there is. Settings: docs/settings.md (PORT=8081 VAR_DIR=var2 make up).

PYTHON := .venv/bin/python

.PHONY: help up install test test-fast lint messages demo bench

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

up: .venv/installed ## Start the whole index in the foreground (Ctrl-C stops it)
	@exec setpriv --pdeathsig=TERM $(PYTHON) manage.py up

install: .venv/installed ## Install what the index runs on, into .venv

# --dist loadgroup: tests on a whole index stay in one process (tests/conftest.py), others share.
test: .venv/installed-dev ## Run all tests, also with real clients and a browser
	@$(PYTHON) -m tests.tools
	@exec $(PYTHON) -m pytest -n 2 --dist loadgroup

test-fast: .venv/installed-dev ## Run the tests that need neither clients nor a browser
	@exec $(PYTHON) -m pytest -n 2 --dist loadgroup -m "not clients and not browser"

lint: .venv/installed-dev ## Check style, types, migrations and translations
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy .
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(PYTHON) manage.py messages --check

messages: .venv/installed ## Collect the texts to translate in locale/, and list them
	@exec $(PYTHON) manage.py messages

demo: .venv/installed ## Fill the index that runs with believable repositories
	@exec $(PYTHON) manage.py demo

bench: .venv/installed ## Measure an index that is started for it (needs wrk and skopeo)
	@exec $(PYTHON) manage.py bench

# As root, Debian's and Ubuntu's lack of ensurepip is cured here; pip only runs when what it
# installs has changed.
.venv/bin/python:
	@python=$$(for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	  done); \
	if [ -z "$$python" ]; then \
	  echo "Gantry needs Python 3.11 or newer: install it (apt-get install python3)." >&2; exit 1; \
	fi; \
	package=$$($$python -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	if ! $$python -c 'import ensurepip' 2>/dev/null; then \
	  if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "Python can't make a virtual environment: install $$package (apt-get install $$package)." >&2; exit 1; \
	  fi; \
	  echo "Installing $$package"; \
	  apt-get install -qq -y --no-install-recommends $$package >/dev/null 2>&1 \
	    || { apt-get update -qq && apt-get install -qq -y --no-install-recommends $$package >/dev/null; } \
	    || { echo "apt could not install $$package: install it, then call make again." >&2; exit 1; }; \
	fi; \
	echo "Making .venv with $$($$python --version)"; \
	$$python -m venv --clear .venv || { rm -rf .venv; echo "Python could not make .venv: see above." >&2; exit 1; }

.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing requirements.txt"
	@$(PYTHON) -m pip install -q --disable-pip-version-check -r requirements.txt \
	  || { echo "pip could not install requirements.txt: is a package index reachable? (see above)" >&2; exit 1; }
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@echo "Installing requirements-dev.txt"
	@$(PYTHON) -m pip install -q --disable-pip-version-check -r requirements-dev.txt \
	  || { echo "pip could not install requirements-dev.txt: is a package index reachable? (see above)" >&2; exit 1; }
	@touch $@
