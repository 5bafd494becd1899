"""The logins of the demo; shown on the login page in demo mode and nowhere else."""

from __future__ import annotations

from typing import NamedTuple


class DemoAccount(NamedTuple):
    """One login that only the demo has."""

    username: str
    password: str
    role: str
    sentence: str
    #: First and last name, as the timelines say it.
    person: tuple[str, str]


DEMO_ACCOUNTS = [
    DemoAccount(
        "noc",
        "hearth-noc",
        "operator",
        "Operator in the NOC: acknowledges, closes",
        ("Aiko", "Sato"),
    ),
    DemoAccount(
        "platform",
        "hearth-platform",
        "engineer",
        "Platform engineer: runbooks, policies",
        ("Petra", "Lindqvist"),
    ),
    DemoAccount(
        "kenji", "hearth-kenji", "owner", "Kenji Mori, owner of the Osaka sites", ("Kenji", "Mori")
    ),
    DemoAccount(
        "hands",
        "hearth-hands",
        "remote_hands",
        "Remote hands at every site: the tablet",
        ("Rui", "Matos"),
    ),
    DemoAccount("guest", "hearth-guest", "viewer", "Guest: looks, changes nothing", ("Guest", "")),
    DemoAccount("admin", "hearth-admin", "admin", "Administrator", ("Ada", "Min")),
]
