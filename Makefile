# Every command of the repository. Written for make 3.81, which macOS ships.
# Arguments pass through ARGS: `make test ARGS='-k lease'`, `make demo ARGS='--limit 50'`.

BIN = .venv/bin
BOOTSTRAP = @sh tools/python tools/bootstrap.py
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
	--custom-compile-command 'make lock' $(ARGS) pyproject.toml

# Targets share an environment, so `make -j` must not build it twice at once.
.NOTPARALLEL:
.PHONY: help demo test check format lint types layers explore soak mutation bench bench-http lock dist clean dev

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1	/p' Makefile

demo: ## Archive real files with two workers, one of which is killed
	$(BOOTSTRAP) demo
	@.venv-demo/bin/parcae demo $(ARGS)

# A file, or a class, stays together, so that its tests share what they make; what measures time
# runs alone.
test: dev ## Run the tests
ifeq ($(ARGS),)
	$(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone
else
	$(BIN)/python -m pytest $(ARGS)
endif

check: lint types layers test ## Everything that must be green before a commit

format: dev ## Rewrite the code the way lint wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: dev ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: dev ## Check types
	$(BIN)/mypy

layers: dev ## Check who imports whom
	$(BIN)/lint-imports

explore: dev ## Walk every state, for an hour; crash, simulate and compare as long
	$(BIN)/python -m parcae_specs.explorer --deep --write specs/explored.md $(ARGS)
	$(BIN)/python -m parcae_specs.tla --deep
	$(BIN)/python -m parcae_specs.tla --race
	$(BIN)/python -m parcae_specs.crash --all
	$(BIN)/python -m parcae_specs.contracts --pairs 1000000
	$(BIN)/python -m parcae_specs.linear --operations 1000000 --kills 1000
	$(BIN)/python -m parcae_specs.simulation --seeds 10000

soak: dev ## Kill and freeze workers, servers and receivers at random, many times
	$(BIN)/python -m parcae_specs.soak $(ARGS)
	$(BIN)/python -m parcae_specs.soak.lanes
	$(BIN)/python -m parcae_specs.soak.diamond
	$(BIN)/python -m parcae_specs.soak.wire

mutation: dev ## Change the kernel in small ways, and see that the tests find out
	$(BIN)/python -m parcae_specs.mutation $(ARGS)

bench: dev ## Measure the store against plain SQLite
	$(BIN)/python -m parcae_specs.bench $(ARGS)
	$(BIN)/python -m parcae_specs.bench.claims --write docs/benchmarks.md

bench-http: dev ## Measure what the wire costs: submissions, deliveries, streams
	$(BIN)/python -m parcae_specs.bench.wire --write docs/benchmarks.md $(ARGS)
	$(BIN)/python -m parcae_specs.bench.streams --write docs/benchmarks.md

lock: dev ## Write the lock anew; ARGS=--upgrade moves every version
	$(LOCK) --all-extras --group dev --output-file requirements/dev.txt
	$(LOCK) --extra cli --group build --constraint requirements/dev.txt --output-file requirements/demo.txt

dist: dev ## Build the sdist and the wheel
	$(BIN)/python -m build --no-isolation

clean: ## Remove environments, caches and what was built
	rm -rf .venv .venv-demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

dev:
	$(BOOTSTRAP) dev
