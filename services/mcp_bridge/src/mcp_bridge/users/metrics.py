# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service of many people tells Prometheus. No names: labels that anybody can make more of would never end."""

from __future__ import annotations

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from mcp_bridge.users.service import UserService


class UserState(Collector):
    """Counterpart of ``mcp_bridge.metrics.State``."""

    def __init__(self, service: UserService) -> None:
        self._service = service

    def collect(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        pool, name = self._service.pool, [self._service.config.service]
        gauges = {
            "mcp_bridge_users_processes": ("Processes of users", pool.processes),
            "mcp_bridge_users_waiting": ("Users who wait for a place for their process", pool.waiting),
            "mcp_bridge_in_flight": ("Calls in flight", sum(session.active for session in pool.sessions)),
            "mcp_bridge_up": ("1 while calls can be taken", int(not self._service.catalogue.trouble)),
        }
        counters = {
            "mcp_bridge_users_started": ("Processes started for users", pool.started),
            "mcp_bridge_users_evicted": ("Processes ended to make room for somebody else's", pool.evicted),
            "mcp_bridge_users_logins_refused": ("Logins that the database refused", pool.refused),
        }
        families = []
        for kind, figures in ((GaugeMetricFamily, gauges), (CounterMetricFamily, counters)):
            for metric, (text, value) in figures.items():
                family = kind(metric, text, labels=["service"])
                family.add_metric(name, value)
                families.append(family)
        return families
