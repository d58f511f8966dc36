# demo and test are all that a fresh clone needs: every target does its own set-up.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
WORKERS ?= 2

.PHONY: demo test test-slow test-gpu test-mcu fuzz check lint docs bench build reference clean

$(STAMP): constraints.txt pyproject.toml runtime/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the tested versions of torch, onnxruntime and the rest into .venv: a few minutes."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ./runtime -e '.[cpu,dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/lenetx train
	$(BIN)/lenetx export --quiet
	$(BIN)/lenetx verify
	$(BIN)/python examples/predict_digits.py artifacts/lenet5.onnx
	@echo
	@echo "Next: source .venv/bin/activate, then"
	@echo "  lenetx predict artifacts/lenet5.onnx examples/seven.png    label a picture"
	@echo "  lenetx verify --report proof.html                          the proof as a page"
	@echo "  lenetx train --data FOLDER                                 your own pictures: docs/tutorial.md"

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not mcu"

test-slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m slow

# Where there is a GPU: in an environment with onnxruntime-gpu instead of onnxruntime. It needs no torch.
test-gpu:
	$(PYTHON) -m pytest -ra -p no:cacheprovider tests/gpu

# The C file on emulated microcontrollers. Each needs a compiler and an emulator, which docs/c.md names.
test-mcu: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -ra -p no:cacheprovider tests/mcu

# Seconds for each target; what is found lies in build/fuzz.
SECONDS ?= 60

fuzz: $(STAMP)
	$(BIN)/python -m pip install --quiet --only-binary :all: -c constraints.txt atheris || true
	for target in image model ort spec; do $(BIN)/python tests/fuzz/guided.py $$target $(SECONDS) build/fuzz || exit 1; done

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/check_english.py runtime/lenetx_runtime exporter cli
	$(BIN)/mypy

# The documentation site, in build/site.
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict --quiet

check: lint test test-slow test-mcu docs

bench: $(STAMP)
	for script in start_up first_prediction runtime bench service ort framing soak verify limits train; do $(BIN)/python benchmarks/$$script.py || exit 1; done

build: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --outdir dist runtime
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tools/check_wheel.py dist artifacts/reference/lenet5.onnx

REFERENCE := artifacts/reference
TRAIN := lenetx train --data mnist --epochs 3 -o $(REFERENCE)/lenet5.pt
EXPORT := lenetx export $(REFERENCE)/lenet5.pt
VERIFY := lenetx verify --against $(REFERENCE)/lenet5.pt --data mnist --report $(REFERENCE)/report.json --report $(REFERENCE)/report.html

reference: $(STAMP)
	$(BIN)/$(TRAIN)
	rm $(REFERENCE)/lenet5.history.jsonl
	$(BIN)/$(EXPORT)
	$(BIN)/$(VERIFY)
	$(BIN)/python tools/model_card.py $(REFERENCE) '$(TRAIN)' '$(EXPORT)' '$(VERIFY)'

# The picture of the README, by headless Chromium.
docs/report.png: artifacts/reference/report.html
	chromium --headless --no-sandbox --hide-scrollbars --window-size=900,900 --screenshot=$(CURDIR)/$@ file://$(CURDIR)/$<

clean:
	rm -rf .venv build dist *.egg-info runtime/*.egg-info runtime/build
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
