"""What we own: sites, nodes, the people who answer for them, and what should run there."""

from __future__ import annotations

from fleet.models.access import AgentToken, ApiToken, Membership
from fleet.models.audit import AuditEntry
from fleet.models.desired import DesiredState, ReportedState
from fleet.models.engine import EngineModule
from fleet.models.maintenance import MaintenanceWindow
from fleet.models.site import Contact, Node, Owner, Site

__all__ = [
    "AgentToken",
    "ApiToken",
    "AuditEntry",
    "Contact",
    "DesiredState",
    "EngineModule",
    "MaintenanceWindow",
    "Membership",
    "Node",
    "Owner",
    "ReportedState",
    "Site",
]
