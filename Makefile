# Every verb makes its own .venv from the locked requirements; nothing else on the machine is changed.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
EXAMPLE ?= examples/three_bugs
WORKERS ?= 3
CHROMIUM ?= chromium

.PHONY: help demo test test-all lint format bench template picture lock clean

help:
	@echo "make demo      grade an example submission and write out/report.html"
	@echo "make test      run the tests"
	@echo "make test-all  run them all: more kernels that have to be compiled"
	@echo "make lint      formatting, lint, types, import rules"
	@echo "make bench     speed and memory, as ratios"
	@echo "make template  write student_template/ again from reference/"
	@echo "make picture   take docs/report.png again, with Chromium"
	@echo "make lock      lock the requirements anew"

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "making $(VENV)/"
	@$(PYTHON) -m venv $(VENV) || { echo "python -m venv failed: on Debian and Ubuntu, install python3-venv"; exit 2; }
	@touch $@

$(VENV)/run: $(VENV)/made requirements.lock pyproject.toml
	@echo "installing what grading needs into $(VENV)/ (requirements.lock)"
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	@echo "installing what the tests need into $(VENV)/ (requirements-dev.lock)"
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/run
	@mkdir -p out
	@echo "grading $(EXAMPLE): the first run draws the cases of module2, later ones take seconds"
	@$(VENV)/bin/grade module2 --submission $(EXAMPLE) --html out/report.html; code=$$?; \
	  [ $$code -le 1 ] || exit $$code; echo "the same report as a page: out/report.html"

test: $(VENV)/dev
	@echo "running the tests on $(WORKERS) processes"
	@$(RUN) pytest -n $(WORKERS) --dist worksteal

test-all: $(VENV)/dev
	@$(RUN) pytest -n $(WORKERS) --dist worksteal -m ""

lint: $(VENV)/dev
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/dev
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

bench: $(VENV)/dev
	$(VENV)/bin/python bench/grading.py

template: $(VENV)/run
	$(VENV)/bin/grade template

# The README's picture, by Chromium; look at it before you commit it.
picture: $(VENV)/run
	@mkdir -p out
	@$(VENV)/bin/grade module2 --quiet --submission examples/three_bugs --html out/report.html || [ $$? -eq 1 ]
	@$(CHROMIUM) --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1000,1030 \
	  --screenshot=docs/report.png "file://$(CURDIR)/out/report.html"

lock: $(VENV)/dev
	$(RUN) piptools compile $(LOCK) -o requirements.lock pyproject.toml
	$(RUN) piptools compile $(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
LOCK := --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
  --no-emit-find-links --no-emit-trusted-host --build-deps-for editable

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache
