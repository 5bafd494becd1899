"""Programs' tokens: made once, shown once, kept as a hash, in force until revoked."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from fleet.models import ApiToken, AuditEntry
from fleet.services.api_tokens import (
    ApiTokenError,
    IssuedApiToken,
    Scope,
    create_api_token,
    find_api_token,
    revoke_api_token,
)
from tests.factories import NOON, make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued() -> IssuedApiToken:
    """A new token of some operator."""
    user = make_user("operator", username="prometheus")
    return create_api_token(user=user, label="scrape", scopes=[Scope.WRITE_ALERTS], now=NOON)


def command(*words: str) -> tuple[str, str]:
    """Run the command and return what it says on standard output and on standard error."""
    out, err = StringIO(), StringIO()
    call_command("create_api_token", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_only_the_hash_of_a_token_is_kept(issued: IssuedApiToken) -> None:
    assert re.fullmatch(r"hwa_[A-Za-z0-9_-]{40}", issued.text)
    row = ApiToken.objects.values().get()
    assert issued.text not in map(str, row.values())
    assert issued.text.startswith(row["prefix"])
    assert issued.text not in repr(issued)


def test_a_token_is_found_by_its_text_alone(issued: IssuedApiToken) -> None:
    assert find_api_token(text=issued.text, now=NOON) == issued.token
    assert find_api_token(text=issued.text + "x", now=NOON) is None
    assert find_api_token(text="", now=NOON) is None


def test_a_revoked_token_opens_nothing(issued: IssuedApiToken) -> None:
    revoke_api_token(token=issued.token, now=NOON)
    assert find_api_token(text=issued.text, now=NOON) is None
    with pytest.raises(ApiTokenError) as caught:
        revoke_api_token(token=issued.token, now=NOON)
    assert caught.value.code == "token_already_revoked"


def test_a_token_of_somebody_switched_off_opens_nothing(issued: IssuedApiToken) -> None:
    type(issued.token.user).objects.update(is_active=False)
    assert find_api_token(text=issued.text, now=NOON) is None


def test_the_last_use_is_noted_once_a_minute(issued: IssuedApiToken) -> None:
    for passed in (0, 59):
        find_api_token(text=issued.text, now=NOON + timedelta(seconds=passed))
        assert ApiToken.objects.get().last_used_at == NOON
    later = NOON + timedelta(seconds=61)
    find_api_token(text=issued.text, now=later)
    assert ApiToken.objects.get().last_used_at == later


def test_making_and_revoking_are_written_down(issued: IssuedApiToken) -> None:
    admin = make_user("admin")
    revoke_api_token(token=issued.token, now=NOON, by=admin)
    revoked, created = AuditEntry.objects.all()
    assert (created.action, created.actor) == ("api_token.created", None)
    assert created.detail == {"label": "scrape", "scopes": ["alerts:write"], "site": None}
    assert (revoked.action, revoked.actor) == ("api_token.revoked", admin)
    assert revoked.subject == f"prometheus {issued.token.prefix}"


@pytest.mark.parametrize(
    ("scopes", "code"), [([], "no_scope"), (["alerts:read", "root"], "unknown_scope")]
)
def test_a_token_needs_scopes_that_exist(scopes: list[str], code: str) -> None:
    with pytest.raises(ApiTokenError) as caught:
        create_api_token(user=make_user("operator"), label="x", scopes=scopes, now=NOON)
    assert caught.value.code == code


def test_a_token_for_a_site_that_its_user_may_not_see_is_refused() -> None:
    user = make_user("operator", site=make_site())
    with pytest.raises(ApiTokenError) as caught:
        create_api_token(
            user=user, label="x", scopes=[Scope.READ_ALERTS], site=make_site(), now=NOON
        )
    assert caught.value.code == "site_hidden"


def test_the_command_prints_the_token_alone_and_says_how_to_revoke_it() -> None:
    make_site(slug="kyoto")
    make_user("operator", username="prometheus")
    out, err = command("--user", "prometheus", "--scope", "alerts:write", "--site", "kyoto")
    token = find_api_token(text=out.strip(), now=NOON)
    assert token is not None
    assert (token.scopes, token.site and token.site.slug) == (["alerts:write"], "kyoto")
    assert f"--revoke {token.prefix}" in err
    command("--revoke", token.prefix)
    assert find_api_token(text=out.strip(), now=NOON) is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--user", "nobody", "--scope", "alerts:read"], "no user 'nobody'"),
        (["--user", "prometheus"], "could do nothing"),
        (["--user", "prometheus", "--scope", "alerts:read", "--site", "mars"], "no site 'mars'"),
        (["--revoke", "hwa_nothing"], "No token starts with"),
    ],
)
def test_the_command_says_what_is_wrong(words: list[str], says: str) -> None:
    make_user("operator", username="prometheus")
    with pytest.raises(CommandError, match=says):
        command(*words)
