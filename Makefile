# make demo         train, export, simulate, report: build/demo/report.html
# make test         lint and the quick tests
# make test-all     the slow ones too, and place and route: installs the extra `pnr`, 420 MB
# make regression   every unit and the NPU on Verilator
# make bench        the benchmarks
#
# PYTHON=python3.12            another interpreter (3.11 or newer)
# PIP_ARGS="--no-index ..."    more arguments for pip
# TORCH_INDEX=https://...      package index to take PyTorch from, for example that of its CPU builds

PYTHON ?= python3
PIP_ARGS ?=
TORCH_INDEX ?=
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(firstword $(shell sha256sum pyproject.toml))
PNR := $(subst ready,pnr,$(READY))
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: demo test test-all regression lint bench clean
.DELETE_ON_ERROR:

demo: $(READY)
	@$(RUN) irnn demo

test: lint
	@$(RUN) pytest -q -n $(JOBS) -m "not slow"

test-all: lint $(PNR)
	@$(RUN) pytest -q -n $(JOBS)

regression: $(READY)
	@$(RUN) irnn cosim --all

lint: $(READY)
	@$(RUN) ruff check -q
	@$(RUN) ruff format -q --check
	@$(RUN) mypy --no-error-summary
	@$(RUN) lint-imports > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }

bench: $(READY)
	@for script in benchmarks/*.py; do $(RUN) python -P $$script || exit 1; done

clean:
	rm -rf build $(VENV) $(VENV).lock sim_build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

# The stamp carries the hash of pyproject.toml: its content, not its date, asks for a new environment.
$(READY):
	@PYTHON="$(PYTHON)" PIP_ARGS="$(PIP_ARGS)" TORCH_INDEX="$(TORCH_INDEX)" \
		sh tools/make-venv.sh $(VENV) $@

$(PNR): $(READY)
	@$(BIN)/python -m pip --disable-pip-version-check --no-input -q install $(PIP_ARGS) -e '.[pnr]'
	@touch $@
