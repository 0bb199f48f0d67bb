# Two commands matter: `make rollout` and `make test`. `make help` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BUILD := $(CURDIR)/.build
VENV ?= $(CURDIR)/.venv
PYTHON ?= $(shell .ci/find-python)
# The lab: which inventory, which Debian (bookworm, trixie), which engine (podman, docker; empty: the one that is there).
INVENTORY ?= lab/inventory
LAB_SUITE ?= bookworm
NAME ?= default
# More words for ansible-playbook, for example ARGS="--limit www1 --diff".
ARGS ?=

export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(BUILD)/collections
# Facts are never injected, whatever a user's own configuration says.
export ANSIBLE_INJECT_FACT_VARS := false
export LAB_SUITE LAB_ENGINE LAB_IMAGE LAB_BASE LAB_MIRROR
export LAB_INVENTORY := $(INVENTORY)
export PYTHONDONTWRITEBYTECODE := 1

STEP := .ci/step
LAB := $(VENV)/bin/python lab/lab.py -i $(INVENTORY)
LINK := $(BUILD)/collections/ansible_collections/ipv6/rollout
DEPENDENCIES := $(VENV)/.dependencies
TOOLS := $(VENV)/.tools
BENCH := $(BUILD)/venv-bench/.tools
FUZZ_EXAMPLES ?= 10000

# ---------------------------------------------------------------------------------------------------------- the job

.PHONY: help
help: ## this list
	@echo "ipv6.rollout: from IPv4 only to dual stack, proved by real connections"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: INVENTORY=$(INVENTORY) LAB_SUITE=$(LAB_SUITE) LAB_ENGINE=$(LAB_ENGINE) PYTHON=$(PYTHON) ARGS=$(ARGS)"

.PHONY: rollout
rollout: lab ## start the lab and roll IPv6 out to it (ARGS= more words for ansible-playbook)
	@$(STEP) "rollout" ansible-playbook playbooks/rollout.yml -i $(INVENTORY) $(ARGS)

.PHONY: withdraw
withdraw: $(DEPENDENCIES) $(LINK) ## take it all back, DNS first
	@$(STEP) "withdraw" ansible-playbook playbooks/withdraw.yml -i $(INVENTORY) $(ARGS)

.PHONY: lab
lab: $(DEPENDENCIES) $(LINK) packages ## start the lab: four machines and a router, reached over ssh
	@$(STEP) "lab" $(LAB) up

.PHONY: compare
compare: $(DEPENDENCIES) ## in what the lab's machines differ from what they were when they were made
	@$(LAB) compare

.PHONY: lab-down
lab-down: $(DEPENDENCIES) ## remove the lab's machines
	@$(LAB) down

.PHONY: lab-status
lab-status: $(DEPENDENCIES) ## what is up; `make shell HOST=www1` logs in
	@$(LAB) status

.PHONY: shell
shell: $(DEPENDENCIES) ## a shell on a machine of the lab: HOST=lab1 (or www1, mail1, ns1, router)
	@$(LAB) exec $(or $(HOST),lab1) bash

# --------------------------------------------------------------------------------------------------------- the tests

CHECKS := format lint yaml ansible-lint types unit sanity docs-check page topologies

.PHONY: test
test: tools packages-lint ## all checks, and the default scenario: the whole rollout on the lab and back
	@MAKE="$(MAKE)" .ci/checks $(CHECKS) scenario

.PHONY: test-all
test-all: tools packages-lint ## `test`, then every scenario, Debian 12 and 13, and every ansible-core that the Pythons here allow
	@MAKE="$(MAKE)" .ci/checks $(CHECKS) scenarios scenario-trixie $(addprefix core-,$(CORES)) $(addprefix fault-,$(CORES))

.PHONY: format
format: tools ## ruff format (check only; `make fix` changes files)
	@ruff format --check --output-format concise .

.PHONY: lint
lint: tools ## ruff check, shellcheck
	@ruff check --output-format concise .
	@if command -v shellcheck >/dev/null; then shellcheck .ci/* lab/image/*.sh tests/*.sh; else echo "shellcheck is not there: skipped (make packages-lint)"; fi

.PHONY: fix
fix: tools ## let ruff put right what it can
	@ruff check --fix . && ruff format .

.PHONY: yaml
yaml: tools ## yamllint
	@yamllint --strict .

.PHONY: ansible-lint
ansible-lint: tools ## ansible-lint, production profile, offline
	@ansible-lint --offline

.PHONY: types
types: tools ## mypy strict: the cores and the lab
	@tests/types.sh

.PHONY: unit
unit: tools ## unit tests (ARGS= more words for pytest)
	@python -m pytest $(ARGS)

.PHONY: sanity
sanity: tools ## ansible-test sanity with empty ignore files (ARGS="--test pep8" runs one of them)
	@tests/sanity.sh $(ARGS)

.PHONY: docs-check
docs-check: tools ## documentation of plugins and roles, and that defaults agree with argument specs
	@python tests/docs_check.py

.PHONY: scenario
scenario: tools packages ## one molecule scenario: NAME=default
	@molecule test --no-command-borders --scenario-name $(NAME)

.PHONY: scenarios
scenarios: tools packages ## every molecule scenario
	@MAKE="$(MAKE)" .ci/checks $(sort $(patsubst molecule/%/molecule.yml,scenario-%,$(wildcard molecule/*/molecule.yml)))

scenario-trixie:
	@LAB_SUITE=trixie molecule test --no-command-borders --scenario-name default

scenario-%:
	@molecule test --no-command-borders --scenario-name $*

.PHONY: mutants
mutants: tools packages ## break one thing in each role in turn, and see a scenario notice (ARGS= words of their names)
	@python tests/mutants.py $(ARGS)

# Other Pythons of this machine, each with the newest ansible-core it can run: unit tests, and the default scenario.
CORES ?= $(shell for v in 3.11 3.12; do .ci/find-python $$v >/dev/null && echo $$v; done)

core-%:
	@$(MAKE) --no-print-directory VENV=$(BUILD)/venv-$* PYTHON="$$(.ci/find-python $*)" unit scenario

# How many lock-outs (empty: each fault of the catalogue once), from which seed, and words of the faults' names.
COUNT ?= 200
SEED ?= 1
FAULT ?=
DEFECT ?=
# Twice as many at once as there are processors here: more, and what is measured is how busy this machine is.
HOSTS ?= 4
.PHONY: fault
fault: $(DEPENDENCIES) $(LINK) packages ## lock hosts out and see them come back: COUNT=200 SEED=1 FAULT=words HOSTS=4 (20 minutes)
	@$(VENV)/bin/python lab/lab.py -i lab/inventory-faults down
	@$(STEP) "lab" $(VENV)/bin/python lab/lab.py -i lab/inventory-faults up
	@$(STEP) "faults" python tests/faults/run.py --count $(or $(COUNT),0) --seed $(SEED) --fault "$(FAULT)" --hosts $(HOSTS); code=$$?; \
		$(VENV)/bin/python lab/lab.py -i lab/inventory-faults down; exit $$code

fault-%:
	@$(MAKE) --no-print-directory VENV=$(BUILD)/venv-$* PYTHON="$$(.ci/find-python $*)" COUNT= fault

# How many random sites, from which seed.
SITES ?= 6
.PHONY: topologies
topologies: tools packages ## audit random sites in which nothing is wrong, and see that nothing is called wrong: SITES=50 SEED=1
	@python tests/topologies/run.py --count $(SITES) --seed $(SEED)

.PHONY: page
page: tools packages ## open the audit's page in headless Chromium: console, requests, keyboard, landmarks, contrast, first paint
	@python tests/page/check_page.py $(ARGS)

.PHONY: matrix
matrix: tools packages ## seed every defect that a check is meant to see, one after the other, and see who turns red (DEFECT= words)
	@python tests/readiness/run.py --defect "$(DEFECT)" $(ARGS)

.PHONY: audit
audit: $(DEPENDENCIES) $(LINK) ## audit the lab from both sides (ARGS="-e audit_folder=DIR"), after make rollout
	@$(STEP) "audit" ansible-playbook playbooks/audit.yml -i $(INVENTORY) $(ARGS)

.PHONY: bench-audit
bench-audit: tools packages ## what the audit of 100 hosts costs beside bare fact gathering (10 minutes, and 4 GB of memory)
	@$(STEP) "bench of the audit" python benchmarks/audit.py $(ARGS)

.PHONY: bench
bench: lab bench-plan ## what a run that changes nothing costs, and what a plan costs
	@$(STEP) "bench" python benchmarks/bench.py -i $(INVENTORY) $(ARGS)

.PHONY: bench-plan
bench-plan: $(BENCH) $(LINK) ## what a plan costs, beside netaddr, pytricia and ansible.utils; no lab is needed (4 minutes)
	@$(STEP) "bench of the plan" $(BUILD)/venv-bench/bin/python benchmarks/plan.py

.PHONY: bench-dns
bench-dns: $(BENCH) tools ## what zones of a million records and thousands of updates cost, beside the name servers' own programs (10 minutes)
	@$(STEP) "bench of updates" python benchmarks/updates.py
	@$(STEP) "bench of zones" python benchmarks/zones.py -n 3

.PHONY: fuzz
fuzz: tools ## the property tests with 10,000 examples each (FUZZ_EXAMPLES= another number; half an hour)
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(STEP) "fuzz" python -m pytest $$(grep -rl --include='test_*.py' FUZZ_EXAMPLES tests/unit) $(ARGS)

# ---------------------------------------------------------------------------------------------------------- the rest

.PHONY: build
build: tools ## the collection's tarball, in .build/dist
	@mkdir -p $(BUILD)/dist
	@ansible-galaxy collection build --force --output-path $(BUILD)/dist .

.PHONY: changelog
changelog: tools ## put changelogs/fragments into CHANGELOG.md, under the version of galaxy.yml
	@antsibull-changelog release --update-existing

.PHONY: docs
docs: tools ## the plugin reference as HTML sources, in .build/docs
	@mkdir -p $(BUILD)/docs
	@antsibull-docs collection --use-current --squash-hierarchy --dest-dir $(BUILD)/docs ipv6.rollout

.PHONY: venv
venv: tools ## the virtual environment with everything in it
	@echo "$(VENV): $$(python --version), ansible-core $$(python -c 'import ansible.release as r; print(r.__version__)')"

.PHONY: clean
clean: ## remove what make made: lab, image, environment, caches
	@if [ -x $(VENV)/bin/ansible-inventory ]; then for i in $(wildcard lab/inventory*); do $(VENV)/bin/python lab/lab.py -i $$i clean || true; done; fi
	rm -rf .build .venv .ansible tests/output .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: packages packages-lint
packages:
	@.ci/packages

packages-lint:
	@.ci/packages --lint

$(LINK):
	@mkdir -p $(dir $@) && ln -sfn ../../../.. $@

.PHONY: tools
tools: $(TOOLS) $(LINK)

$(DEPENDENCIES): requirements/ansible.txt
	@$(STEP) "virtual environment and ansible-core" .ci/environment "$(PYTHON)" $(VENV) requirements/ansible.txt
	@touch $@

$(TOOLS): requirements/dev.txt $(DEPENDENCIES)
	@$(STEP) "tools for tests" .ci/environment "$(PYTHON)" $(VENV) requirements/dev.txt
	@touch $@

$(BENCH): requirements/bench.txt requirements/ansible.txt
	@$(STEP) "tools for benchmarks" .ci/environment "$(PYTHON)" $(BUILD)/venv-bench requirements/bench.txt
	@touch $@
