"""The logins of the demo; shown on the login page in demo mode and nowhere else."""

from __future__ import annotations

from typing import NamedTuple


class DemoAccount(NamedTuple):
    """One login that only the demo has."""

    username: str
    password: str
    role: str
    sentence: str


DEMO_ACCOUNTS = [
    DemoAccount("noc", "hearth-noc", "operator", "Operator in the NOC: acknowledges, closes"),
    DemoAccount("platform", "hearth-platform", "engineer", "Platform engineer: desired state"),
    DemoAccount("kenji", "hearth-kenji", "owner", "Kenji Mori, owner of the Osaka sites"),
    DemoAccount("hands", "hearth-hands", "remote_hands", "Remote hands at every site"),
    DemoAccount("guest", "hearth-guest", "viewer", "Guest: looks, changes nothing"),
    DemoAccount("admin", "hearth-admin", "admin", "Administrator"),
]
