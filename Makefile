# Two commands do all the set-up: `make deploy` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

export HUSTLEX_CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/hustlex-platform
export HUSTLEX_STATE ?= $(if $(XDG_STATE_HOME),$(XDG_STATE_HOME),$(HOME)/.local/state)/hustlex-platform
export ANSIBLE_INJECT_FACT_VARS := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUN_VENV := $(HUSTLEX_CACHE)/venv-$(shell sha256sum requirements.txt | cut -c1-12)
DEV_VENV := $(HUSTLEX_CACHE)/venv-$(shell sha256sum requirements-dev.txt | cut -c1-12)
# One run at a time: both commands change the same environment.
PLAYBOOK := scripts/alone "$(HUSTLEX_STATE)/deploy.lock" ansible-playbook -i inventories/development

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: deploy
deploy: $(RUN_VENV)/.complete ## Set everything up and deploy the development environment
	@export PATH="$(RUN_VENV)/bin:$$PATH"
	$(PLAYBOOK) playbooks/deploy.yml

.PHONY: destroy
destroy: $(RUN_VENV)/.complete ## Stop and remove the development environment with its data
	@export PATH="$(RUN_VENV)/bin:$$PATH"
	$(PLAYBOOK) playbooks/destroy.yml -e confirm=development

.PHONY: env
env: $(RUN_VENV)/.complete ## Print the shell settings of the development environment, for eval
	@echo "export PATH='$(RUN_VENV)/bin:$(HUSTLEX_STATE)/hustlex/bin':\"\$$PATH\""
	echo "export KUBECONFIG='$(HUSTLEX_STATE)/hustlex/kubeconfig'"

.PHONY: test
test: $(DEV_VENV)/.complete ## Run everything that CI runs
	@export PATH="$(DEV_VENV)/bin:$$PATH"
	tests/run

.PHONY: drills
drills: $(DEV_VENV)/.complete ## Run the tests that take long: kills at any moment, constant load, power cuts, alerts that take their time (over an hour)
	@export PATH="$(DEV_VENV)/bin:$$PATH"
	tests/run cluster drills

.PHONY: lint unit cluster integration molecule e2e
lint unit cluster integration molecule e2e: $(DEV_VENV)/.complete ## One part of the tests
	@export PATH="$(DEV_VENV)/bin:$$PATH"
	tests/run $@

.PHONY: lock
lock: ## Write the lock files of the Python packages anew
	@lock() { uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' --output-file "$$1.txt" "$${@:2}" "$$1.in"; }
	lock requirements-dev
	lock requirements --constraint requirements-dev.txt
	lock images/api/requirements --constraint requirements-dev.txt

# A virtual environment is complete or made anew: an interrupted installation leaves no marker. Of two runs at once one
# installs and the other waits. Nothing is printed to standard output: that of `make env` is a shell's input.
$(HUSTLEX_CACHE)/venv-%/.complete:
	@exec >&2
	requirements=$(if $(filter $(DEV_VENV)/%,$@),requirements-dev.txt,requirements.txt)
	venv=$(@D)
	mkdir -p "$(HUSTLEX_CACHE)"
	exec 9>"$$venv.lock"
	if ! flock --nonblock 9; then
	  echo "Another run installs the Python packages of $$requirements: waiting for it (at most 15 minutes)"
	  flock --timeout 900 9 || { echo "It still holds $$venv.lock: end it, or try again when it has finished."; exit 1; }
	fi
	if [ -e "$@" ]; then exit; fi
	echo "Install the Python packages of $$requirements into $$venv (about 1 minute)"
	python=$$(scripts/find-python)
	rm -rf "$$venv"
	"$$python" -m venv "$$venv"
	"$$venv/bin/pip" install --quiet --require-hashes --requirement "$$requirements"
	touch "$@"
