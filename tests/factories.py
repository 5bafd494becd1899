"""Plain functions that make rows; every argument can be overridden."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from fleet.models import Contact, Membership, Node, Owner, Site
from runbooks.models import EscalationPolicy, EscalationPolicyVersion, SiteEscalation

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
_numbers = count(1)


def secret_from(word: str) -> str:
    """Return a Standard Webhooks secret that depends only on `word`."""
    return "whsec_" + base64.b64encode(hashlib.sha256(word.encode()).digest()).decode()


def make_owner(**overrides: Any) -> Owner:
    """Make one person who answers for sites, without a contact."""
    fields: dict[str, Any] = {"name": f"Owner {next(_numbers)}", "time_zone": "Asia/Tokyo"}
    return Owner.objects.create(**(fields | overrides))


def make_contact(**overrides: Any) -> Contact:
    """Make one working webhook contact."""
    fields: dict[str, Any] = {
        "label": "pager",
        "url": "http://127.0.0.1:9/pager",
        "secret": secret_from("pager"),
        "tested_at": NOON,
    }
    if "owner" not in overrides:
        fields["owner"] = make_owner()
    return Contact.objects.create(**(fields | overrides))


def make_policy(**overrides: Any) -> EscalationPolicy:
    """Make one policy with one version: the site's owner, then the catch-all, 5 min apart."""
    number = next(_numbers)
    steps = overrides.pop(
        "steps",
        [
            {"notify": ["site_owner"], "delay_seconds": 300},
            {"notify": ["catch_all"], "delay_seconds": 300},
        ],
    )
    repeat = overrides.pop("repeat", 1)
    fields: dict[str, Any] = {"slug": f"policy-{number}", "name": f"Policy {number}"}
    policy = EscalationPolicy.objects.create(**(fields | overrides))
    EscalationPolicyVersion.objects.create(
        policy=policy, number=1, steps=steps, repeat=repeat, created_at=NOON
    )
    return policy


@transaction.atomic
def make_site(**overrides: Any) -> Site:
    """Make one active site with an owner, a working contact and a policy."""
    number = next(_numbers)
    policy = overrides.pop("policy", None) or make_policy()
    fields: dict[str, Any] = {
        "slug": f"osaka-{number}",
        "name": f"Osaka-{number}",
        "pattern": Site.Pattern.MESH,
        "status": Site.Status.ACTIVE,
        "region": "Asia Pacific",
        "place": "1-2-3 Namba, Osaka, Japan",
        "time_zone": "Asia/Tokyo",
    }
    if "owner" not in overrides:
        fields["owner"] = make_contact().owner
    site = Site.objects.create(**(fields | overrides))
    SiteEscalation.objects.create(site=site, policy=policy)
    return site


def make_node(**overrides: Any) -> Node:
    """Make one watched inference node."""
    fields: dict[str, Any] = {"name": f"node-{next(_numbers)}"}
    if "site" not in overrides:
        fields["site"] = make_site()
    return Node.objects.create(**(fields | overrides))


def make_user(role: str | None = None, site: Site | None = None, **overrides: Any) -> Any:
    """Make one user, with one membership where a role is given."""
    fields: dict[str, Any] = {"username": f"user-{next(_numbers)}", "password": "x"}
    user = get_user_model().objects.create_user(**(fields | overrides))
    if role is not None:
        Membership.objects.create(user=user, role=role, site=site)
    return user
