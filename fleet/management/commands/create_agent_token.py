"""`manage.py create_agent_token`: make a token for a site's agents, or revoke one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from fleet.models import AgentToken, Site
from fleet.services.tokens import (
    TokenAlreadyRevoked,
    create_agent_token,
    revoke_agent_token,
)


class Command(BaseCommand):
    """Prints a new token, alone on its line, once; or revokes the one that starts like this."""

    help = "Make a token with which the agents of one site sign on, or revoke one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take a site to make a token for, or the first characters of a token to revoke."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--site", metavar="SLUG", help="make a token for this site")
        what.add_argument("--revoke", metavar="PREFIX", help="revoke the token that starts so")
        parser.add_argument("--label", default="agent", help="what the token is for")

    def handle(
        self, *args: Any, site: str | None, revoke: str | None, label: str, **options: Any
    ) -> None:
        """Make or revoke; the token itself is the only thing on standard output."""
        if revoke is not None:
            self._revoke(revoke)
        else:
            self._create(site or "", label)

    def _create(self, slug: str, label: str) -> None:
        site = Site.objects.filter(slug=slug).first()
        if site is None:
            known = ", ".join(Site.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no site {slug!r}. There are: {known or 'none yet'}.")
        issued = create_agent_token(site=site, label=label[:80], now=timezone.now())
        self.stdout.write(issued.text)
        self.stderr.write(
            f"This token for {site} is shown only now. Put it into the agent's configuration; "
            f"revoke it with --revoke {issued.token.prefix}"
        )

    def _revoke(self, prefix: str) -> None:
        # A whole token may be given too; its prefix is all that was kept of it in clear.
        shown = prefix[: AgentToken._meta.get_field("prefix").max_length or None]
        found = list(AgentToken.objects.filter(prefix__startswith=shown).select_related("site"))
        if len(found) != 1:
            several = ", ".join(str(token) for token in found)
            raise CommandError(
                f"No token starts with {shown!r}."
                if not found
                else f"Several tokens start with {shown!r}: {several}. Give more characters."
            )
        try:
            revoke_agent_token(token=found[0], now=timezone.now())
        except TokenAlreadyRevoked as exc:
            raise CommandError(str(exc)) from None
        self.stdout.write(f"Revoked {found[0]} of {found[0].site}; its agents are out within 30 s.")
