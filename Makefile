# Every target does its own set-up: the stamp is older than what it was made from, or it is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check bench build reference clean

$(STAMP): constraints.txt pyproject.toml runtime/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ./runtime -e '.[cpu,dev]'
	touch $@
