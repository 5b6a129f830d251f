# Front doors: make test, make lint. Each installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: test lint clean

$(VENV)/dev: pyproject.toml
	@echo "Installing Porter and its development tools into $(VENV): about a minute the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

test: $(VENV)/dev
ifeq ($(CHROMIUM),)
	@echo "No Chromium found: the page tests that need a browser are left out."
	$(BIN)/python -m pytest -m "not browser" $(ARGS)
else
	PORTER_TEST_CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest $(ARGS)
endif

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
