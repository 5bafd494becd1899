"""`manage.py create_api_token`: make a token for a program, or revoke one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from fleet.models import ApiToken, Site
from fleet.services.api_tokens import ApiTokenError, Scope, create_api_token, revoke_api_token


class Command(BaseCommand):
    """Prints a new token, alone on its line, once; or revokes the one that starts like this."""

    help = "Make a token with which a program acts for a user, or revoke one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take a user and scopes to make a token, or the first characters of one to revoke."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--user", metavar="USERNAME", help="make a token that acts for this user")
        what.add_argument("--revoke", metavar="PREFIX", help="revoke the token that starts so")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=[scope.value for scope in Scope],
            help="what the token may do; give it once for each",
        )
        parser.add_argument(
            "--site", metavar="SLUG", help="where alerts that name no site of ours belong"
        )
        parser.add_argument("--label", default="program", help="what the token is for")

    def handle(
        self,
        *args: Any,
        user: str | None,
        revoke: str | None,
        scope: list[str],
        site: str | None,
        label: str,
        **options: Any,
    ) -> None:
        """Make or revoke; the token itself is the only thing on standard output."""
        try:
            if revoke is not None:
                self._revoke(revoke)
            else:
                self._create(user or "", scope, site, label)
        except ApiTokenError as exc:
            raise CommandError(str(exc)) from None

    def _create(self, username: str, scopes: list[str], slug: str | None, label: str) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}. Make one first, with a role.")
        site = Site.objects.filter(slug=slug).first() if slug else None
        if slug and site is None:
            raise CommandError(f"There is no site {slug!r}. The fleet page lists them.")
        issued = create_api_token(
            user=user, label=label[:80], scopes=scopes, site=site, now=timezone.now()
        )
        self.stdout.write(issued.text)
        self.stderr.write(
            f"This token of {user} is shown only now. Put it into the program's configuration; "
            f"revoke it with --revoke {issued.token.prefix}"
        )

    def _revoke(self, prefix: str) -> None:
        # A whole token may be given too; its prefix is all that was kept of it in clear.
        shown = prefix[: ApiToken._meta.get_field("prefix").max_length or None]
        found = list(ApiToken.objects.filter(prefix__startswith=shown).select_related("user"))
        if len(found) != 1:
            several = ", ".join(str(token) for token in found)
            raise CommandError(
                f"No token starts with {shown!r}."
                if not found
                else f"Several tokens start with {shown!r}: {several}. Give more characters."
            )
        revoke_api_token(token=found[0], now=timezone.now())
        self.stdout.write(f"Revoked {found[0]} of {found[0].user}; it opens nothing any more.")
