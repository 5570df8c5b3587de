# Thin on purpose: everything is in packaging/bootstrap.py, which Windows users call directly
# (py -3.11 packaging\bootstrap.py demo). ARGS is passed on: make test ARGS="lint types", make demo ARGS="--no-window".
PYTHON ?= python3
ARGS ?=

.PHONY: help setup demo test run lock clean

help:
	@$(PYTHON) packaging/bootstrap.py --help

setup demo test run lock clean:
	@$(PYTHON) packaging/bootstrap.py $@ $(ARGS)
