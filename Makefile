# growthlab: every target installs what it needs first. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
# a machine without a GPU can take PyTorch's CPU build: TORCH_INDEX_URL=<PyTorch's CPU index> make demo
TORCH_INDEX := $(if $(TORCH_INDEX_URL),--extra-index-url $(TORCH_INDEX_URL),)
DEMO ?= demo
WORKERS ?= 3
EXTRAS ?= dev
PYTHONS ?= 3.11 3.12 3.13
# in the order of the folders, which ends with doctests: no worker is idle while another has a long file
PYTEST_OPTIONS ?= -n $(WORKERS) --dist loadfile --no-loadscope-reorder

OLDEST := .venv-oldest
# the path of a version of Python, from PATH or from pyenv; nothing where it is not installed
find_python = python$(1) -c 'import sys; print(sys.executable)' 2>/dev/null \
  || ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(1).*/bin/python 2>/dev/null | tail -n 1

define NEXT
Next, in this folder:
  source $(VENV)/bin/activate && cd $(DEMO)
  mlflow ui --backend-store-uri sqlite:///mlflow.db              # then the links printed above open
  for task in top_n churn value; do growthlab export task=$$task data=simulated_market; done
  growthlab serve bundle=bundles                                 # http://127.0.0.1:8000/docs
  growthlab inspect your.csv && growthlab compare task=top_n data=your   # your own data
endef
export NEXT

.DEFAULT_GOAL := help
.PHONY: help install demo test test-portable test-all test-oldest dist lint docs drills format tags server server-stop bench-peers study clean

help:  ## list every target
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## *' '{printf "  make %-12s %s\n", $$1, $$2}'

# --no-compile: of 26,000 modules most are never imported; those that are, are compiled then and kept. Where
# PYTHONDONTWRITEBYTECODE=1 forbids to keep them, each command would compile thousands again and take twice as long
compile_all = $(if $(PYTHONDONTWRITEBYTECODE),-$(1)/bin/python -m compileall -qq -j 0 $(1)/lib src)

install: $(VENV)/.installed  ## create .venv with the pinned laboratory and its development tools

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "Installing growthlab into $(VENV): a few minutes"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-compile $(TORCH_INDEX) -c constraints.txt -e '.[$(EXTRAS)]'
	$(call compile_all,$(VENV))
	@touch $@

demo: install  ## all three tasks on the simulated market: a leaderboard each, and what to type next
	@mkdir -p $(DEMO)
	@echo "Every model of three tasks on a simulated market: about 3 minutes on two cores, most of it for"
	@echo "the networks of top_n, which are trained for a few epochs here (conf/experiment/demo.yaml)."
	@cd $(DEMO) && for task in top_n churn value; do \
	  echo; echo "growthlab compare experiment=demo task=$$task"; \
	  $(abspath $(BIN))/growthlab compare experiment=demo task=$$task || exit; \
	done
	@echo; echo "$$NEXT"
	@echo; for task in top_n churn value; do \
	  echo "page of $$task: file://$(abspath $(DEMO))/reports/simulated_market/comparison-$$task.html"; \
	done

test: install lint  ## install, check and test everything that CI does
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

test-portable: install  ## all tests as on another machine: AVX2, one thread, random order, beside a load
	$(BIN)/python tests/portable.py $(PYTEST_OPTIONS)

test-all:  ## all tests on each Python of PYTHONS that is installed, each in an environment of its own
	@failed=; for version in $(PYTHONS); do \
	  python=$$($(call find_python,$$version)); \
	  if [ -z "$$python" ]; then echo "Python $$version is not installed: skipped"; continue; fi; \
	  echo "Python $$version"; \
	  make --no-print-directory install PYTHON="$$python" VENV=.venv-$$version \
	    && .venv-$$version/bin/python -m pytest $(PYTEST_OPTIONS) || failed="$$failed $$version"; \
	done; [ -z "$$failed" ] || { echo "failed on Python$$failed"; exit 1; }

test-oldest: $(OLDEST)/.installed  ## all tests with the oldest dependencies that pyproject.toml allows
	$(OLDEST)/bin/python -m pytest $(PYTEST_OPTIONS)

$(OLDEST)/.installed: pyproject.toml
	@python=$$($(call find_python,$(firstword $(PYTHONS)))); \
	  [ -n "$$python" ] || { echo "Python $(firstword $(PYTHONS)) is not installed"; exit 1; }; \
	  "$$python" -m venv --clear $(OLDEST)
	$(OLDEST)/bin/pip --disable-pip-version-check install --quiet 'uv>=0.5'
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python $(TORCH_INDEX) \
	  --resolution lowest-direct -e '.[dev]'
	$(call compile_all,$(OLDEST))
	@touch $@

dist: install  ## wheel and source distribution in dist/, and the wheel tried in an empty folder
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tests/house/wheel_trial.py dist/*.whl $(TORCH_INDEX) -c constraints.txt

lint: install  ## ruff, mypy and the one-way flow of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tags: install  ## the page of the portrait's tags, docs/tags.md, from the code
	$(BIN)/growthlab portrait dictionary=docs/tags.md

docs: install  ## the documentation site in site/html, from the documents and the code; a broken link ends it
	$(PIP) install --quiet --no-compile $(TORCH_INDEX) -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python docs/site/build.py site

drills: install  ## the long ones: faults in the middle of work, fuzzed requests, a soak of the service
	$(BIN)/python -m pytest tests/drills -m drill -n 0

server: install  ## a team's tracking server: MLflow, PostgreSQL and S3 storage (SERVER=options, such as SERVER="--address 0.0.0.0")
	$(BIN)/python -m deploy.tracking_server start $(SERVER)

server-stop: install  ## stop what make server started; what it holds stays
	$(BIN)/python -m deploy.tracking_server stop $(SERVER)

bench-peers: install  ## growthlab beside other libraries (DATA=path of sequences.parquet, BENCH=further options)
	TORCH_INDEX_URL="$(TORCH_INDEX_URL)" $(BIN)/python experiments/benchmarks/peers.py $(DATA) $(BENCH)

study: install  ## run a study of experiments/ again and rebuild its tables (NN=01 DATA=path ONLY=step CLUSTER=host:port)
	@test -d experiments/$(NN)-* || { echo "make study NN=01 DATA=path: experiments/README.md lists the studies"; exit 2; }
	$(BIN)/python experiments/$(NN)-*/run.py $(DATA) $(if $(ONLY),--only '$(ONLY)') $(if $(CLUSTER),--cluster $(CLUSTER))
	$(BIN)/python experiments/$(NN)-*/table.py

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-* dist build site $(DEMO) .growthlab mlflow.db* mlartifacts bundles
