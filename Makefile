# `make demo` runs the main job, `make test` the tests; both make the environment first if it is missing or out of date.

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTEST_ARGS ?=
DEMO_ARGS ?= --data freesolv --name demo --preset small
# Empty for PyPI's build of torch, which runs on a GPU.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
CPU_TORCH = --no-deps --retries 2 --timeout 30 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch

.DEFAULT_GOAL := help
.PHONY: help demo test test-scatter check docs build lock lowest clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## Install what is missing and run the main job on FreeSolv with a small encoder
	$(BIN)/molweight fit $(DEMO_ARGS)

# One thread per test process: the processes share the cores already. Each takes whole stretches of the list of tests, so
# that what the tests of a file share is made once, and work of the other when it has none left. They and the processes
# that tests start compile each module once, even if the environment says that Python should not keep what it compiles.
test: $(VENV)/.installed-dev  ## Run all tests and doctests; PYTEST_ARGS="-k name" selects, WORKERS=8 uses more processes
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal --durations=15 $(PYTEST_ARGS)

# What the first environment holds is borrowed by a path file, so that only torch-scatter has to be built, once.
test-scatter: $(VENV)-scatter/.installed  ## Run all tests with torch-scatter installed, which is built first (minutes), in .venv-scatter
	OMP_NUM_THREADS=1 $(VENV)-scatter/bin/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

check: $(VENV)/.installed-dev  ## Run linter, formatter, type checker and the check of the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/ruff format --check --line-length 80 README.md docs/*.md
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.installed-docs  ## Build the documentation into site/, strictly; site/index.html is where it starts
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

build: $(VENV)/.installed-dev  ## Build the wheel and the source distribution into dist/
	$(BIN)/python -m build

lock: $(VENV)/.installed-dev $(VENV)/.installed-docs  ## Write the versions of the environment to constraints.txt
	@sed -n '/^#/p' constraints.txt > $(VENV)/constraints.txt
	@$(BIN)/pip freeze --all --exclude-editable | sed -E -e '/^(pip|molweight)[ =]/d' -e '/^#/d' -e 's/\+[a-z0-9.]+$$//' >> $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

# virtualenv, for pre-commit: later ones ask for a newer filelock, and pip would try each.
lowest: $(VENV)/.installed-dev  ## Run the tests with the oldest versions that pyproject.toml allows, in .venv-lowest
	$(BIN)/python -m venv --clear $(VENV)-lowest
	$(BIN)/python .ci/lowest.py > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/python -m pip install --constraint $(VENV)-lowest/constraints.txt $(CPU_TORCH)
	$(VENV)-lowest/bin/python -m pip install --constraint $(VENV)-lowest/constraints.txt --editable '.[dev]' 'virtualenv<20.36'
	$(VENV)-lowest/bin/python -m pip install --constraint $(VENV)-lowest/constraints.txt --no-deps curvlinops-for-pytorch
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/pytest -n $(WORKERS) $(PYTEST_ARGS)

clean:  ## Remove the environment and everything that was built; runs/ stays
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-scatter build dist site *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch first, alone and pinned: PyPI's build for Linux brings gigabytes of CUDA libraries. Where the index of CPU builds
# cannot be reached, pip says so and takes PyPI's.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --constraint constraints.txt $(CPU_TORCH)
	$(BIN)/python -m pip install --constraint constraints.txt --editable .
	touch $@

# curvlinops without its dependencies: one that we do not use asks for torchvision, and that for another torch.
$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --constraint constraints.txt --no-deps curvlinops-for-pytorch
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[docs]'
	touch $@

$(VENV)-scatter/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m venv --clear --without-pip $(VENV)-scatter
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$($(VENV)-scatter/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth"
	$(BIN)/python -m pip --python $(VENV)-scatter/bin/python install --no-build-isolation \
	  --constraint constraints.txt --editable '.[scatter]'
	$(VENV)-scatter/bin/python -c 'from torch_geometric.typing import WITH_TORCH_SCATTER as found; exit(not found)'
	touch $@

# The first Python on PATH that is new enough and can make environments; PYTHON=... chooses another.
$(BIN)/pip:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    exec "$$python" -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "molweight needs Python 3.11 or newer with venv and pip, and none is on PATH. Install it" >&2; \
	echo "(Debian and Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
	exit 1
