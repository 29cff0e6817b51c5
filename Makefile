# make search   install once, then search for 200 trials; more options: make search ARGS="--seed 1"
# make test     all tests, a process per core; some: make test ARGS="tests/core -k split"
# make check    linting, formatting, types, and whether the documentation builds
# make docs     the documentation as a site: open site/index.html
# make clean    remove caches and build output; .venv and reports stay

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev

.DEFAULT_GOAL := search
.PHONY: search test check docs clean
.NOTPARALLEL:

search: $(INSTALLED)
	$(BIN)/python -m explorer.search --trials 200 $(ARGS)

test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

check: $(INSTALLED_DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(MKDOCS)

docs: $(INSTALLED_DEV)
	$(MKDOCS)

clean:
	rm -rf build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(INSTALLED) $(INSTALLED_DEV)
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(BIN)/pip:
	$(PYTHON) -m venv .venv

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e .
	@touch $@

# The tools for development include the project: one installation serves both stamps.
$(INSTALLED_DEV): pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e '.[dev,docs]'
	@touch $(INSTALLED) $@
