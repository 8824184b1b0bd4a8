# `make app` serves the app, `make test` runs the tests; both install what they need into .venv first.

PORT ?= 8501
ADDRESS ?= localhost

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check

# A stamp carries the checksum of what was installed, so a change of branch installs again and a touch does not.
checksum = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
APP_STAMP := $(VENV)/.installed-app-$(call checksum,requirements.txt requirements-text.txt)
DEV_STAMP := $(VENV)/.installed-dev-$(call checksum,requirements.txt requirements-text.txt requirements-dev.txt)
# Left behind by an install that was cut short.
UNFINISHED := $(VENV)/.unfinished

.DEFAULT_GOAL := help
.PHONY: help app install test lint clean
.NOTPARALLEL:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

app: $(APP_STAMP)  ## serve the app (PORT is 8501 and ADDRESS is localhost unless set)
	@exec $(BIN)/streamlit run app.py --server.port $(PORT) --server.address $(ADDRESS) --server.headless true

install: $(DEV_STAMP)  ## install what the app, the tests and the checks need into .venv

test: $(DEV_STAMP)  ## run the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(DEV_STAMP)  ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

clean:  ## remove .venv and every cache
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An unfinished or broken environment is built anew. requirements-dev.txt includes requirements.txt, so
# installing it also covers the app.
define prepare_venv
	@if [ -e $(UNFINISHED) ] || ! $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    for python in python3.11 python3 python3.12 python3.13; do \
	        if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	        python=; \
	    done; \
	    if [ -z "$$python" ]; then \
	        echo "gradtag needs Python 3.11 or newer; found $$(python3 --version 2>&1 || true)." >&2; exit 1; \
	    fi; \
	    $$python -m venv --clear $(VENV) || exit 1; \
	fi
	@rm -f $(VENV)/.installed-* && touch $(UNFINISHED)
endef

$(APP_STAMP):
	$(prepare_venv)
	@echo "Installing what the app needs into $(VENV) (once, a few minutes) ..."
	@$(PIP_INSTALL) -r requirements.txt
	@$(PIP_INSTALL) --no-deps -r requirements-text.txt
	@rm -f $(UNFINISHED) && touch $@

$(DEV_STAMP):
	$(prepare_venv)
	@echo "Installing what the app and the tests need into $(VENV) (once, a few minutes) ..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@$(PIP_INSTALL) --no-deps -r requirements-text.txt
	@rm -f $(UNFINISHED) && touch $(APP_STAMP) $@
