# SPDX-License-Identifier: GPL-3.0-or-later
# `make demo` and `make test` need git, a Python 3.12 or 3.13 and the package registries; everything else they set up themselves.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

DEMO_HOME ?= .demo
export MCP_DEMO_HOME := $(abspath $(DEMO_HOME))
SCENARIO ?= default
VENV := .venv/bin
DEMO := ANSIBLE_HOME="$(MCP_DEMO_HOME)/ansible" PYTHONPATH=.collections:. $(VENV)/python -m demo --home $(DEMO_HOME)
PYTEST := PYTHONPATH=.collections:. $(VENV)/python -m pytest

.PHONY: help demo demo-stop demo-clean test lint unit integration conformance molecule chaos bench soak venv demo-venv

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv:
	@scripts/venv .venv requirements/dev.txt
	@scripts/link-collection

demo-venv: venv
	@scripts/venv $(DEMO_HOME)/venv requirements/demo.txt

demo: demo-venv ## a whole team on this machine: databases, gateway, wrapped servers, a real answer (no root, Docker or systemd)
	@$(DEMO) up

demo-stop: ## stop every process of the demo
	@if [ -d $(DEMO_HOME) ]; then scripts/link-collection; $(DEMO) stop; fi

demo-clean: ## stop the demo and remove everything that it made
	@if [ -d $(DEMO_HOME) ]; then scripts/link-collection; $(DEMO) clean; fi

lint: venv ## ruff, yamllint, ansible-lint, ansible-test sanity
	@tests/lint

unit: venv ## the pure parts
	@$(PYTEST) -q tests/unit

integration: venv ## the real parts: embedded databases, real gateway, real clients
	@$(PYTEST) -q tests/integration

conformance: venv ## isolation and attacks alone (part of integration)
	@$(PYTEST) -q tests/integration/test_isolation.py tests/integration/test_canary.py

molecule: venv ## real hosts: SCENARIO=name, default "default"
	@tests/molecule $(SCENARIO)

chaos: venv ## kills at many moments; takes long, not part of `make test`
	@$(PYTEST) -q tests/chaos

bench soak: ## not yet: they come with the bridge
	@echo "There is no $@ yet; it comes with the bridge (README, \"What works today\")." >&2; exit 1

test: lint unit integration molecule ## everything, on a fresh clone too
