# Everything a user or a developer runs. Needs Python 3.11 or newer, make and git; all else goes into .venv.
PYTHON ?= python3
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHROMIUM ?=
MAKEFLAGS += --jobs=2

.PHONY: setup browser demo test pytest lint bench chaos servers s3 clean

setup: $(READY) browser

# Half the time: a pip of today (that of Python 3.11 takes twice as long), and compiling by itself, on all cores. A few files of
# packages are no Python, which is no error here.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "gated-ray needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --upgrade-deps $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile $(PIP_FLAGS) --constraint constraints.txt --editable '.[test]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

# For the tests of the atlas alone: where it cannot be installed, all else goes on. CHROMIUM=PROGRAM names another one.
browser:
	@for program in "$(CHROMIUM)" chromium chromium-browser google-chrome; do command -v "$$program" > /dev/null && exit 0; done; \
	(apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null) 2> /dev/null || \
	echo "make test needs Chromium and cannot install it here: install it as root (Debian: apt-get install chromium), or give CHROMIUM=PROGRAM"

demo: setup
	@$(BIN)/python -m tests.checkpoints.demo results/checkpoints
	$(BIN)/python -m jobs.sweep models=demo store.url=./results
	$(BIN)/python -m jobs.activations 'models.refs=[tests/data/tiny-docs-llama@main]' data.text=results/checkpoints/docs.jsonl \
		data.max_length=256 data.max_tokens=20000 store.url=./results
	$(BIN)/python -m jobs.verify store.url=./results
	$(BIN)/python -m jobs.report store.url=./results out=./results/report

test: lint pytest

# In two processes: one for all that starts Ray, one for the rest.
pytest: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup servers
	$(BIN)/python -m tests.benchmarks

# Every fault on two S3 servers, and random schedules of faults: about an hour. The tests have a short version.
chaos: setup
	$(BIN)/python -m tests.chaos --seeds 20

# What the benchmark of HTTP measures against. Not part of the set-up: no test needs it. After the browser: apt takes one at a time.
servers: browser
	@command -v nginx curl openssl > /dev/null || (apt-get update -qq && apt-get install -y -qq nginx-light curl openssl) || \
	{ echo "make bench needs nginx, curl and openssl: install them as root (Debian: apt-get install nginx-light curl openssl)"; exit 1; }

# An S3 server for development: see infra/README.md.
s3: setup
	BIN=$(BIN) infra/s3.sh

clean:
	rm -rf $(VENV) results build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
