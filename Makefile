# Front doors: make demo, make test, make lint, make bench, make torture. Each installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: demo test lint bench torture pictures lock audit clean

$(VENV)/dev: pyproject.toml
	@echo "Installing Porter and its development tools into $(VENV): about a minute the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/demo: pyproject.toml
	@echo "Installing Porter and the demo's servers into $(VENV): about a minute the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/supply: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[supply]'
	@touch $@

demo: $(VENV)/demo
	@$(BIN)/porter demo $(ARGS)

test: $(VENV)/dev
ifeq ($(CHROMIUM),)
	@echo "No Chromium found: the page tests that need a browser are left out."
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not browser and not torture" $(ARGS)
else
	PORTER_TEST_CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)
endif

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev
	$(BIN)/python -m tests.bench

# One process, and nothing captured: the figures and the seed are the point.
torture: $(VENV)/dev
	$(BIN)/python -m pytest -s -v -m torture tests/torture $(ARGS)

pictures: $(VENV)/dev
	PORTER_TEST_CHROMIUM=$(CHROMIUM) $(BIN)/python -m tests.pictures

# The set that is deployed, pinned with hashes, and whether anything in it is known to be unsafe.
lock: $(VENV)/supply
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header \
		--no-emit-options --no-emit-index-url --no-emit-find-links \
		--output-file deploy/requirements.lock pyproject.toml

audit: $(VENV)/supply
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement deploy/requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
