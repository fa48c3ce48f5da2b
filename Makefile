# Everything is kept in build/, which git ignores; PG_CONFIG=/path/to/pg_config chooses another server than the embedded one.
# SUITES="regress docs" and ONLY=name narrow `make test` down.

PYTHON ?= python3
export PG_CONFIG SUITES ONLY
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help demo test test-long check install mutants bench clean

help:       ## List these targets
	@sed -n 's/^\([a-z-]*\): *## /\1\t/p' Makefile | expand -t 12

demo:       ## Build, start a private server, show the worked example
	@$(PYTHON) scripts/demo

test:       ## Run all suites on the embedded server and on PostgreSQL 15
	@$(PYTHON) scripts/test

test-long:  ## The same on every server major there is, with the long tests
	@$(PYTHON) scripts/test --long

check:      ## Check formatting and lints
	@$(PYTHON) scripts/check

install:    ## Build for release and install into the server of pg_config
	@$(PYTHON) scripts/install

mutants:    ## Prove that the tests notice each break of tests/mutants; ONLY=name for one
	@$(PYTHON) scripts/mutants

bench:      ## Measure against the other ways to do it (45 minutes), into bench/RESULTS.md
	@bench/run

clean:      ## Remove build/
	@$(PYTHON) scripts/clean
