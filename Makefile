# make search   install once, then search for 200 trials; more options: make search ARGS="--seed 1"
# make test     tests of everything, five minutes on two cores; some: make test ARGS="tests/core -k split"
# make slow     the tests that take long: many processes, killed searches, whole benchmarks
# make guides   run the README, the tutorials, the how-to guides and the examples of the reference
# make check    linting, formatting, types, of the page's JavaScript too; whether the documentation builds
# make docs     the documentation as a site: open site/index.html
# make client   an environment of its own for a standard client of the protocol, which some tests drive
# make clean    remove caches and build output; .venv and reports stay

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
HASHED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
# Bytecode is kept even where the environment says otherwise: each of many processes would compile all modules anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
INSTALLED_JS := node_modules/.installed
CLIENT := .client

.DEFAULT_GOAL := search
.PHONY: search test slow guides check check-js docs client clean
.NOTPARALLEL:

search: $(INSTALLED)
	$(BIN)/python -m explorer.search --trials 200 $(ARGS)

test: $(INSTALLED_DEV)
	$(PYTEST) -m "not slow and not guide" $(ARGS)

slow: $(INSTALLED_DEV)
	$(PYTEST) -m "slow and not guide" $(ARGS)

guides: $(INSTALLED_DEV)
	$(PYTEST) -m guide $(ARGS)

check: $(INSTALLED_DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(MKDOCS)
	@$(MAKE) --no-print-directory check-js

# Nobody needs Node to work on the Python code, so without its tools this says so and passes.
check-js: $(INSTALLED_JS)
	@if ! command -v npm >/dev/null; then \
		echo "The page's JavaScript was not checked: npm is not on PATH."; \
	elif [ ! -e $(INSTALLED_JS) ]; then \
		echo "The page's JavaScript was not checked: npm ci failed; it needs Node 20.19 or newer and a registry."; \
	else \
		set -ex; node_modules/.bin/tsc; node_modules/.bin/eslint .; \
	fi

client: $(CLIENT)/.installed

$(CLIENT)/.installed: tests/helpers/standard_client.txt
	$(PYTHON) -m venv $(CLIENT)
	$(CLIENT)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

docs: $(INSTALLED_DEV)
	$(MKDOCS)

clean:
	rm -rf $(CLIENT) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(INSTALLED) $(INSTALLED_DEV)
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(BIN)/pip:
	$(PYTHON) -m venv .venv

# Everything but torch is held to its hash; what is left to the second call is torch, and this project.
$(INSTALLED): pyproject.toml constraints.txt requirements.txt | $(BIN)/pip
	$(HASHED) -r requirements.txt
	$(INSTALL) --no-build-isolation -e .
	@touch $@

# The tools for development include the project: one installation serves both stamps.
$(INSTALLED_DEV): $(INSTALLED)
	$(INSTALL) -e '.[dev,docs]'
	@touch $(INSTALLED) $@

$(INSTALLED_JS): package.json package-lock.json .npmrc
	@rm -f $@
	@if npm ci --silent --no-audit --fetch-retries 1 >/dev/null 2>&1; then touch $@; fi
