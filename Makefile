# Every target makes what it needs first: on a fresh machine with Python 3.11 and make, `make demo` is all it takes.
MAKEFLAGS += --no-print-directory
PYTHON ?= python3
export PYTHON
BIN := .venv/bin
SETUP := pyproject.toml client/pyproject.toml requirements.lock scripts/setup.sh scripts/install_torch.sh scripts/build_engine.sh \
	$(wildcard model/*/native/*.cpp model/*/native/*.h)

.DEFAULT_GOAL := help
.PHONY: help demo serve test chaos load bench reproduce e2e-docker bundle audit-dependencies check docs format lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 28

demo: .venv/.runtime  ## Generate 1,000 synthetic stays at 50/50 labels with the bundled model, into demo-output/
	@$(BIN)/python -m service.cli demo

serve: .venv/.runtime  ## Run the service on CDMT_HOST:CDMT_PORT (127.0.0.1:8000), data in CDMT_DATA_DIR (./var)
	@exec $(BIN)/python -m service.cli serve

PROCESSES ?= 2
test: .venv/.dev  ## Run all tests, with the real stack, in PROCESSES=2; ARGS="-k name" is handed to pytest
	@OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

ROUNDS ?= 20
chaos: .venv/.dev  ## Inject every fault ROUNDS=20 times into a real stack; SEED=n repeats a run, ARGS="-k valkey" chooses
	@OMP_NUM_THREADS=1 CDMT_CHAOS_ROUNDS=$(ROUNDS) CDMT_CHAOS_SEED=$(SEED) \
		$(BIN)/python -m pytest -q -s -m "chaos or not chaos" tests/chaos $(ARGS)

load: .venv/.dev  ## 5,000 jobs from 50 clients while 200 listen; figures to load.json, ARGS="--jobs 500" for less
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.load --out load.json $(ARGS)

bench: .venv/.runtime  ## Speed beside a TimeDiff-sized rival; BENCH_JSON=path, BENCH_THREADS=n, BENCH_CHECK=1, BENCH_ARGS="--quick"
	@$(BIN)/python -m service.cli bench $(if $(BENCH_JSON),--json $(BENCH_JSON)) \
		$(if $(BENCH_THREADS),--threads $(BENCH_THREADS)) $(if $(BENCH_HISTORY),--history docs/speed-history.jsonl) \
		$(if $(BENCH_CHECK),--check docs/speed-expectations.json) $(BENCH_ARGS)

DATA ?= $(or $(CDMT_SHARED_DATA),../shared/data)/challenge2012_hourly_0_24.parquet
reproduce: .venv/.runtime  ## The paper's tables anew from DATA into docs/results; QUICK=1 for 30 minutes, ARGS="--tables 2-4"
	@OMP_NUM_THREADS=1 $(BIN)/python -m service.cli reproduce --data $(DATA) $(if $(QUICK),--quick) $(ARGS)

e2e-docker: .venv/.dev  ## Build the images, bring the composed service up, use it, kill it, bring it down; needs Docker
	@docker info >/dev/null 2>&1 || { echo "error: no Docker engine can be reached (docker info)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m docker tests/docker $(ARGS)

bundle: .venv/.audit  ## All that a machine without a network needs, as one file in dist/; IMAGES=1 adds the Docker images
	@IMAGES=$(IMAGES) scripts/make_bundle.sh $(BIN)

audit-dependencies: .venv/.audit  ## Look up known weaknesses of every locked dependency; needs the package index
	@$(BIN)/pip-audit --progress-spinner off --strict --disable-pip --no-deps --requirement requirements.lock

check: .venv/.dev  ## Formatting, lint, types, import rules, documentation; Dockerfiles, and Compose files where there is Compose
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy --python-version 3.10 client/src
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/hadolint docker/*.Dockerfile
	@scripts/check_compose.sh
	@$(DOCS) --quiet

DOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
docs: .venv/.dev  ## The documentation as pages, which need no server and no network: build/site/index.html
	@$(DOCS) --quiet && echo "build/site/index.html"

format: .venv/.dev  ## Format, and fix what lint can fix
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock:  ## Renew requirements.lock with the newest versions that pyproject.toml admits
	@scripts/lock.sh

clean:  ## Remove the environment and everything that was built or generated, but not ./var
	@rm -rf model/*/native/*.so .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build client/build dist *.egg-info client/src/*.egg-info \
		demo-output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: $(SETUP)
	@scripts/setup.sh all
	@touch $@

.venv/.dev: $(SETUP)
	@scripts/setup.sh all,dev
	@touch .venv/.runtime $@

.venv/.audit: $(SETUP)
	@scripts/setup.sh all,audit
	@touch .venv/.runtime $@
