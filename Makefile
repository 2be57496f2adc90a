# Two commands do everything on a fresh machine: `make app` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := app
.PHONY: app test test-all check lint types layers docs screenshots venv-path

PORT ?= 8501
export PYTHONPATH := $(CURDIR)
export HF_HUB_OFFLINE ?= 1
# Where it is set, each worker, command and test run would compile every module anew.
export PYTHONDONTWRITEBYTECODE :=
PYTHON_DEV = $$(tools/venv.sh dev)/bin/python

app:            ## environment, demo project if there is none, the app on localhost
	@python=$$(tools/venv.sh)/bin/python; \
	"$$python" -m sslcore demo bbc-news --labelled 20 --if-empty; \
	exec "$$python" -m sslcore app --port $(PORT)

# Tests without a browser share nothing, so every core takes some; a browser wants the machine for itself.
test: export OMP_NUM_THREADS ?= 1
QUICK = -n auto -m "not slow and not browser"
BROWSER = -m "browser and not slow"

test: check     ## environment, test tools, browser, all tests (but the slow ones)
	@python=$(PYTHON_DEV); "$$python" -m pytest $(QUICK)
	@python=$(PYTHON_DEV); tools/browser.sh "$$python"; "$$python" -m pytest $(BROWSER) tests/browser || { \
	  echo "Some tests failed: those once more, since a busy machine can be too slow for a browser."; \
	  "$$python" -m pytest $(BROWSER) tests/browser --last-failed --last-failed-no-failures none; }

test-all: check ## with the slow ones
	@python=$(PYTHON_DEV); tools/browser.sh "$$python"; "$$python" -m pytest -m ""

check: lint types layers

lint:
	@python=$(PYTHON_DEV); "$$python" -m ruff check . && "$$python" -m ruff format --check -q .

types:
	@python=$(PYTHON_DEV); "$$python" -m mypy

layers:
	@python=$(PYTHON_DEV); "$$(dirname "$$python")/lint-imports"

docs:           ## the generated pages of docs/
	@$(PYTHON_DEV) -m tools.write_docs

screenshots:    ## docs/screenshots, made by the browser tests
	@python=$(PYTHON_DEV); tools/browser.sh "$$python"; LABELLOOM_SCREENSHOTS=docs/screenshots "$$python" -m pytest -m "browser" tests/browser

venv-path:      ## the environment's folder, made first where needed
	@tools/venv.sh
