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

.PHONY: help demo demo-stop demo-clean test lint reference unit integration conformance molecule chaos bench bench-declaration bench-deploys bench-registry bench-rotation bench-users soak pictures venv demo-venv guard hooks

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

lint: venv ## ruff, yamllint, ansible-lint, ansible-test sanity, and no credential in what is tracked
	@tests/lint

reference: venv ## docs/reference, from the roles' argument specs and the documentation of modules, filters and lookups
	@scripts/reference

guard: ## search everything that is tracked for credentials
	@scripts/guard tree

hooks: ## have git search each commit for credentials: here, or in REPOSITORY=PATH
	@scripts/install-guard $(if $(REPOSITORY),"$(REPOSITORY)")

unit: venv ## the pure parts
	@$(PYTEST) -q tests/unit services/mcp_bridge/tests

integration: venv ## the real parts: embedded databases, real gateway, real clients; the short form of the conformance suite
	@$(PYTEST) -q --durations=30 --durations-min=5 tests/integration tests/conformance

conformance: venv ## does a wrapper mix up, hang or die quietly? the bridge with both wrappers, in full; prints a table
	@PYTHONPATH=.collections:.:services/mcp_bridge/src $(VENV)/python -m tests.conformance --wrapper bridge-direct,bridge-translate

molecule: venv ## real hosts: SCENARIO=name, default "default"
	@tests/molecule $(SCENARIO)

chaos: venv ## kills at many moments, and on real hosts reboots and cut networks; takes long, not part of `make test`
	@tests/postgresql/run
	@tests/mongodb/run
	@$(PYTEST) -q tests/chaos
	@tests/molecule life
	@tests/molecule fleet
	@tests/molecule shared
	@tests/molecule users
	@tests/molecule network
	@tests/molecule lifecycle

bench: venv ## the bridge against other wrappers and the bare server: calls/s, latency, memory, CPU
	@PYTHONPATH=.collections:.:services/mcp_bridge/src $(VENV)/python -m tests.bench

bench-declaration: venv ## validation and filters with 1, 10 and 100 environments: is anything worse than linear?
	@PYTHONPATH=.collections:. $(VENV)/python -m tests.bench_declaration

bench-deploys: venv ## second runs on real hosts: against one task for each object, and ten hosts against one
	@PYTHONPATH=.collections:. $(VENV)/python -m tests.bench_deploys

bench-registry: venv ## 100 and 1,000 registrations: one call of gateway_registry against a loop of ansible.builtin.uri
	@PYTHONPATH=.collections:. $(VENV)/python -m tests.bench_registry

bench-rotation: venv ## rotation under load against stop, change, start; seconds for each credential; 1, 10 and 100 of them
	@PYTHONPATH=.collections:. $(VENV)/python -m tests.bench_rotation

bench-users: venv ## people with logins of their own: first answer, warm call, memory; processes and dense, 1 to 200 people
	@PYTHONPATH=.collections:services/mcp_bridge/src:. $(VENV)/python -m tests.bench_users

soak: venv ## 20 minutes of open, close, call, kill and reload against the bridge
	@PYTHONPATH=.collections:.:services/mcp_bridge/src $(VENV)/python -m tests.soak --minutes 20

pictures: venv ## the pictures in docs/, from a real browser (Debian's chromium) at a demo of its own
	@tests/pictures/run

test: venv ## everything, on a fresh clone too; without a Docker engine it says what it left out
	@tests/everything
