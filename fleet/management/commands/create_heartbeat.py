"""`manage.py create_heartbeat`: expect a sign of life from something, or stop expecting it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from fleet.models import Node, Site
from runbooks.heartbeats.errors import HeartbeatError
from runbooks.heartbeats.services import create_heartbeat, revoke_heartbeat
from runbooks.models import Heartbeat


class Command(BaseCommand):
    """Prints the new heartbeat's address, alone on its line, once; or revokes a heartbeat."""

    help = "Expect a heartbeat from something at a site, or revoke one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take a site and what comes from it, or the first characters of a key to revoke."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--site", metavar="SLUG", help="expect one from this site")
        what.add_argument("--revoke", metavar="PREFIX", help="revoke the one whose key starts so")
        parser.add_argument("--node", metavar="NAME", help="the node it comes from, if from one")
        parser.add_argument("--name", default="heartbeat", help="what it is the heartbeat of")
        parser.add_argument("--period", type=int, default=300, metavar="SECONDS")
        parser.add_argument("--grace", type=int, default=60, metavar="SECONDS")

    def handle(self, *args: Any, site: str | None, revoke: str | None, **options: Any) -> None:
        """Make or revoke; the address is the only thing on standard output."""
        try:
            if revoke is not None:
                self._revoke(revoke)
            else:
                self._create(site or "", **options)
        except HeartbeatError as refusal:
            raise CommandError(str(refusal)) from None

    def _create(
        self, slug: str, *, node: str | None, name: str, period: int, grace: int, **options: Any
    ) -> None:
        site = Site.objects.filter(slug=slug).first()
        if site is None:
            known = ", ".join(Site.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no site {slug!r}. There are: {known or 'none yet'}.")
        issued = create_heartbeat(
            site=site,
            node=self._node(site, node),
            name=name,
            period_seconds=period,
            grace_seconds=grace,
            by=None,
            now=timezone.now(),
        )
        self.stdout.write(f"{settings.HEARTHWATCH_BASE_URL}/api/v1/heartbeat/{issued.key}")
        self.stderr.write(
            f"This address is shown only now; whatever calls it is {issued.heartbeat}. It is late "
            f"at {issued.heartbeat.late_at:%F %T} UTC for the first time. Revoke it with --revoke "
            f"{issued.heartbeat.prefix}"
        )

    def _node(self, site: Site, name: str | None) -> Node | None:
        if name is None:
            return None
        node = site.nodes.filter(name=name).first()
        if node is None:
            raise CommandError(
                f"There is no node {name!r} at {site}; leave --node out, or mend it."
            )
        return node

    def _revoke(self, prefix: str) -> None:
        # A whole key may be given too; its prefix is all that was kept of it in clear.
        shown = prefix[: Heartbeat._meta.get_field("prefix").max_length or None]
        rows = Heartbeat.objects.filter(prefix__startswith=shown, revoked_at__isnull=True)
        found = list(rows.select_related("site"))
        if len(found) != 1:
            several = ", ".join(str(row) for row in found)
            raise CommandError(
                f"No heartbeat has a key that starts with {shown!r}."
                if not found
                else f"Several keys start with {shown!r}: {several}. Give more characters."
            )
        revoke_heartbeat(heartbeat=found[0], by=None, now=timezone.now())
        self.stdout.write(f"Revoked {found[0]}; nobody expects it any more.")
