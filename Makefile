# Two commands: `make parity` (set up, prove the port, print the drift report) and `make test`.
# And `make demo`: a clip; `make example`: a port in onnxruntime.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: parity test demo example lint typecheck clean

parity: $(INSTALLED)
	@mkdir -p runs
	$(BIN)/ltx-parity run --jobs 2 --output runs/latest --history runs/history

demo: $(INSTALLED)
	$(BIN)/python tools/demo.py

# A block and the vocoder in onnxruntime, five faults blamed; and a second model.
example: $(INSTALLED)
	$(BIN)/python -m examples.onnx.run
	$(BIN)/ltx-parity run --model examples.second_model.binding:BINDING

test: lint typecheck
	LTX_PARITY_REFERENCE=required $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

typecheck: $(INSTALLED)
	$(BIN)/mypy

# A half-made environment is never taken for a whole one: the stamp comes last.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "make: $(PYTHON) is $$($(PYTHON) --version 2>&1); expected Python 3.11 to 3.13; set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[reference,test,examples]"
	@touch $@

clean:
	rm -rf $(VENV) runs build *.egg-info
