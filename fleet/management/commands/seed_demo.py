"""Furnish the demo's world: people, policies, sites, nodes, desired state, logins, tokens."""

from __future__ import annotations

import base64
import os
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from fleet.management.demo import world
from fleet.management.demo.files import EDGE_CONF, MODEL, DemoFiles
from fleet.management.demo.history import write_history
from fleet.management.demo.visits import seed_group_and_heartbeat, seed_visits
from fleet.management.demo.watch import seed_maintenance, seed_schedule
from fleet.models import AgentToken, Contact, DesiredState, Membership, Node, Owner, Site
from fleet.models.desired import ItemKind
from fleet.noc.demo_accounts import DEMO_ACCOUNTS
from fleet.services.tokens import create_agent_token
from runbooks.escalation.policies import publish_policy
from runbooks.models import EscalationPolicy, SiteEscalation
from telemetry.drift.canonical import digest_bytes
from telemetry.store import ensure_partitions


class Command(BaseCommand):
    help = "Furnish the demo's world. Run it as often as you like: what is there stays."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.HEARTHWATCH_DEMO:
            raise CommandError(
                "The demo's logins are public, so they are only made where HEARTHWATCH_DEMO=true."
            )
        now = timezone.now()
        files = DemoFiles(settings.HEARTHWATCH_HOME)
        with transaction.atomic():
            owners = _seed_owners(files, now)
            seed_schedule(owners, now)
            policies = _seed_policies(owners, now)
            sites = _seed_sites(owners, policies)
            seed_maintenance(sites, now)
            _seed_desired(sites, now)
            _seed_logins(owners)
            seed_visits(sites, now)
            seed_group_and_heartbeat(sites, owners, now)
            _seed_tokens(sites, files, now)
            ensure_partitions(now=now)
            write_history(now=now)
        self.stdout.write(f"{len(sites)} sites, {Node.objects.count()} nodes.")


def _seed_owners(files: DemoFiles, now: datetime) -> dict[str, Owner]:
    """Make the people and their pagers; the pager's port changes with each start."""
    port = os.environ.get("HEARTHWATCH_DEMO_PAGER_PORT", "8001")
    signing = files.read_pager_secrets()
    owners = {}
    for person in world.OWNERS:
        owner, _ = Owner.objects.update_or_create(
            name=person.name,
            defaults={
                "time_zone": person.time_zone,
                "is_catch_all": person.is_catch_all,
                "phone": person.phone,
            },
        )
        signing.setdefault(
            person.key, "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        )
        Contact.objects.update_or_create(
            owner=owner,
            position=1,
            defaults={
                "label": "pager",
                "url": f"http://127.0.0.1:{port}/pager/{person.key}",
                "secret": signing[person.key],
                "is_enabled": True,
                "disabled_reason": "",
                "tested_at": now,
                "last_test_at": now,
                "last_test_outcome": "Taken for tested: it is the demo's own pager.",
            },
        )
        owners[person.key] = owner
    files.write_pager_secrets(signing)
    return owners


def _seed_policies(owners: dict[str, Owner], now: datetime) -> dict[str, EscalationPolicy]:
    policies = {}
    for slug, (name, people) in world.POLICIES.items():
        steps = [{"notify": ["site_owner"], "delay_seconds": world.STEP_SECONDS}]
        notify = [f"owner:{owners[key].pk}" for key in people]
        notify.insert(1, f"schedule:{world.SCHEDULE}")
        steps += [{"notify": [word], "delay_seconds": world.STEP_SECONDS * 2} for word in notify]
        version = publish_policy(
            slug=slug,
            name=name,
            steps=steps,
            repeat=1,
            acknowledgement_seconds=world.ACKNOWLEDGED_SECONDS,
            by=None,
            now=now,
        )
        policies[slug] = version.policy
    return policies


def _seed_sites(owners: dict[str, Owner], policies: dict[str, EscalationPolicy]) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    for place in (*world.SITES, _this_machine()):
        site, _ = Site.objects.update_or_create(
            slug=place.slug,
            defaults={
                "name": place.name,
                "pattern": place.pattern,
                "parent": sites.get(place.parent),
                "status": Site.Status.ACTIVE,
                "region": place.region,
                "place": place.place,
                "time_zone": place.time_zone,
                "uplink": place.uplink,
                "owner": owners[place.owner],
                "emergency_numbers": [
                    {"label": label, "number": number} for label, number in place.numbers
                ],
                "latitude": place.spot[0],
                "longitude": place.spot[1],
            },
        )
        SiteEscalation.objects.update_or_create(
            site=site, defaults={"policy": policies[place.policy]}
        )
        _seed_nodes(site, place)
        sites[place.slug] = site
    return sites


def _this_machine() -> world.DemoSite:
    return world.DemoSite(
        slug=world.THIS_MACHINE,
        name="This machine",
        pattern="mesh",
        region="Here",
        place="The computer that runs this demo.",
        time_zone="UTC",
        owner="samira",
        policy="europe",
        nodes=1,
        models=(world.DOOR,),
    )


def _seed_nodes(site: Site, place: world.DemoSite) -> None:
    for number in range(1, place.nodes + 1):
        Node.objects.update_or_create(
            site=site,
            name=f"node-{number}",
            defaults={
                "role": Node.Role.GATEWAY if number == 1 else Node.Role.INFERENCE,
                "hardware_class": "" if place.slug == world.THIS_MACHINE else "edge-2u-l4",
                "ashrae_class": place.ashrae_class or Node.AshraeClass.A2,
                "is_ashrae_class_assumed": not place.ashrae_class,
                "out_of_band": (
                    "" if place.slug == world.THIS_MACHINE else f"bmc-{number}.{place.slug}.example"
                ),
            },
        )


def _seed_desired(sites: dict[str, Site], now: datetime) -> None:
    for place in world.SITES:
        items = [(ItemKind.MODEL, *model) for model in place.models]
        items += [
            (ItemKind.CONFIG, name, "", digest)
            for name, digest in (world.SSHD, world.CHRONY, world.RUNTIME)
        ]
        for item in items:
            _desire(sites[place.slug], *item, now=now)
    here = sites[world.THIS_MACHINE]
    _desire(here, ItemKind.CONFIG, "edge.conf", "", digest_bytes(EDGE_CONF.encode()), now=now)
    _desire(here, ItemKind.MODEL, MODEL["name"], MODEL["version"], MODEL["digest"], now=now)


def _desire(site: Site, kind: str, name: str, version: str, digest: str, *, now: datetime) -> None:
    DesiredState.objects.get_or_create(
        site=site,
        role="",
        kind=kind,
        name=name,
        number=1,
        defaults={"version": version, "digest": digest, "created_at": now},
    )


def _seed_logins(owners: dict[str, Owner]) -> None:
    for account in DEMO_ACCOUNTS:
        user, is_new = get_user_model().objects.get_or_create(username=account.username)
        if is_new:
            user.first_name, user.last_name = account.person
            user.set_password(account.password)
            user.save(update_fields=["first_name", "last_name", "password"])
        if account.role == Membership.Role.OWNER:
            # An owner sees the sites that name them; no membership is needed.
            Owner.objects.filter(pk=owners[account.username].pk).update(user=user)
        else:
            Membership.objects.get_or_create(user=user, role=account.role, site=None)


def _seed_tokens(sites: dict[str, Site], files: DemoFiles, now: datetime) -> None:
    """Give each site's gateway a token, and the real agent its configuration."""
    tokens = files.read_tokens()
    known = set(AgentToken.objects.values_list("site__slug", flat=True))
    for slug, site in sites.items():
        if slug not in tokens or slug not in known:
            _, tokens[slug] = create_agent_token(site=site, label="demo gateway", now=now)
    files.write_tokens(tokens)
    base = settings.HEARTHWATCH_BASE_URL.replace("http", "ws", 1)
    files.write_agent(url=f"{base}/ws/ingest/", token=tokens[world.THIS_MACHINE], node="node-1")
