# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters and gauges in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mcp_bridge.service import Service

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class State(Collector):
    """What a service with one server knows at the moment of the question."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> list[GaugeMetricFamily]:
        status, name = self._service.status(), [self._service.config.service]
        figures = {
            "mcp_bridge_generation": ("The generation that takes calls", status["generation"]),
            "mcp_bridge_in_flight": ("Calls in flight", sum(status["in_flight"].values())),
            "mcp_bridge_draining_generations": ("Generations that finish their last calls", len(self._service.draining)),
            "mcp_bridge_server_restarts": ("Wrapped servers replaced because they ended", status["restarts"]),
            "mcp_bridge_reloads": ("Generations taken", status["reloads"]),
            "mcp_bridge_up": ("1 while a wrapped server takes calls", int(self._service.current is not None)),
        }
        families = []
        for metric, (text, value) in figures.items():
            family = GaugeMetricFamily(metric, text, labels=["service"])
            family.add_metric(name, value)
            families.append(family)
        return families


class Metrics:
    """Of one bridge. ``state``: what the bridge's service tells about itself when it is asked."""

    def __init__(self, name: str, state: Collector) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(state)
        labels = ["service", "outcome"]
        self._calls = Counter("mcp_bridge_calls", "Calls by how they ended", labels, registry=self._registry)
        seconds = Histogram("mcp_bridge_call_seconds", "Time from request to answer", ["service"], registry=self._registry, buckets=BUCKETS)
        self._seconds = seconds.labels(name)
        self._name = name
        self._by_outcome: dict[str, Counter] = {}

    def count(self, outcome: str, seconds: float) -> None:
        counter = self._by_outcome.get(outcome)
        if counter is None:
            counter = self._by_outcome[outcome] = self._calls.labels(self._name, outcome)
        counter.inc()
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)
