"""Prometheus Alertmanager, both ways."""

from __future__ import annotations
