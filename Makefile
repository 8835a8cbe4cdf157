# Everything runs in .venv, made from the newest Python from 3.11 up that the machine has.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
RUFF := $(BIN)/ruff
KILLS ?= 1000
ENGINE := $(BIN)/python -m tests.engine
# Another apt-get may be at work, such as the updates of a machine that has just been started. To install waits for it when
# told so; to update fails, so its lock is awaited first.
APT_INSTALL := $(PYTHON) -c 'import fcntl, signal; signal.alarm(600); \
	fcntl.lockf(open("/var/lib/apt/lists/lock", "a"), fcntl.LOCK_EX)'; apt-get update -q && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o DPkg::Lock::Timeout=600

.PHONY: demo test setup lint types tests chaos benchmarks format clean

demo: $(VENV)/demo  ## set everything up and run the tutorial: 20 trainings, the best one registered
	$(BIN)/python notebooks/tutorial.py

test: setup lint types tests  ## set everything up and run every check

setup: $(VENV)/dev

lint:
	$(RUFF) check .
	$(RUFF) format --check .

types:
	$(BIN)/mypy

# More workers than two cores: half of the time is waiting for processes, timeouts and engines.
tests: $(VENV)/chromium labextension/node_modules
	$(ENGINE) $(BIN)/pytest --numprocesses 3 --dist loadfile --reruns 1 --nbval-lax --nbval-current-env tests notebooks/*.ipynb

chaos: setup  ## the long run: make chaos KILLS=1000 SEED=7
	$(BIN)/python -m tests.chaos --kills $(KILLS) $(if $(SEED),--seed $(SEED))

benchmarks: setup $(VENV)/chromium  ## figures against peers, in one run
	$(ENGINE) $(BIN)/pytest -q -s -m benchmark tests/benchmarks

format: setup
	$(RUFF) check --fix .
	$(RUFF) format .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis notebooks/.workbench notebooks/runs notebooks/data

# The front end is built when the package is installed, so what it is made of counts too.
FRONT := $(wildcard labextension/*.json labextension/*/*.json labextension/*/*.css \
	labextension/src/*.ts labextension/src/*/*.ts labextension/src/*/*/*.ts)

$(VENV)/demo: pyproject.toml $(FRONT) | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[demo]'
	@touch $@

$(VENV)/dev: pyproject.toml $(FRONT) | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	@touch $@

# The build leaves it there; a clone that was cleaned, or built elsewhere, gets it again for the front end's own tests.
labextension/node_modules: | $(VENV)/dev
	cd labextension && PATH="$(abspath $(BIN)):$$PATH" npm ci --silent

# The tests of what people see drive a real browser.
$(VENV)/chromium: | $(VENV)/dev
	@command -v chromium >/dev/null || { \
		if [ "$$(id -u)" = 0 ]; then $(APT_INSTALL) --no-install-recommends chromium; \
		else echo "Without Chromium the tests in a browser are skipped. Run: sudo apt-get install chromium"; fi; }
	@touch $@

# Debian and Ubuntu ship Python without ensurepip; its package is installed where we may.
$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ]; then $(APT_INSTALL) python3-venv; \
		else echo "This Python has no ensurepip. Run: sudo apt-get install python3-venv"; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
