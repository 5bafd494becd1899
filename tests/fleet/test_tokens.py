"""Agents' tokens: made once, shown once, kept as a hash, revoked for good."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from fleet.models import AgentToken, AuditEntry
from fleet.services.tokens import (
    IssuedToken,
    TokenAlreadyRevoked,
    create_agent_token,
    hash_token,
    revoke_agent_token,
)
from telemetry.ingest.auth import Identity, bearer_token, identify
from tests.factories import NOON, make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued() -> IssuedToken:
    """A new token of some site."""
    return create_agent_token(site=make_site(slug="kyoto"), label="gateway", now=NOON)


def command(*words: str) -> tuple[str, str]:
    """Run the command and return what it says on standard output and on standard error."""
    out, err = StringIO(), StringIO()
    call_command("create_agent_token", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_token_is_long_safe_in_a_url_and_tells_what_it_is(issued: IssuedToken) -> None:
    assert re.fullmatch(r"hw_[A-Za-z0-9_-]{40}", issued.text)


def test_only_the_hash_of_a_token_is_kept(issued: IssuedToken) -> None:
    row = AgentToken.objects.values().get()
    assert row["token_hash"] == hash_token(text=issued.text)
    assert issued.text not in map(str, row.values())
    assert issued.text.startswith(row["prefix"])
    assert issued.text not in repr(issued)


def test_a_token_identifies_its_site(issued: IssuedToken) -> None:
    expected = Identity(token_id=issued.token.pk, site_id=issued.token.site_id)
    assert identify(token=issued.text) == expected
    assert identify(token=issued.text + "x") is None
    assert identify(token="") is None


def test_a_revoked_token_identifies_nobody(issued: IssuedToken) -> None:
    revoke_agent_token(token=issued.token, now=NOON)
    assert identify(token=issued.text) is None


def test_revoking_twice_tells_the_second_that_it_was_done(issued: IssuedToken) -> None:
    revoke_agent_token(token=issued.token, now=NOON)
    with pytest.raises(TokenAlreadyRevoked, match="revoked already"):
        revoke_agent_token(token=issued.token, now=NOON)


def test_making_and_revoking_are_in_the_audit_log(issued: IssuedToken) -> None:
    engineer = make_user()
    revoke_agent_token(token=issued.token, now=NOON, by=engineer)
    entries = AuditEntry.objects.order_by("id").values_list("action", "actor", "subject")
    subject = f"kyoto {issued.token.prefix}"
    assert list(entries) == [
        ("agent_token.created", None, subject),
        ("agent_token.revoked", engineer.pk, subject),
    ]


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ((b"authorization", b"Bearer hw_1"), "hw_1"),
        ((b"Authorization", b"bearer  hw_1 "), "hw_1"),
        ((b"authorization", b"Basic hw_1"), ""),
        ((b"cookie", b"Bearer hw_1"), ""),
        ((b"authorization", b"Bearer \xff"), "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_token_is_read_from_the_bearer_header(header: tuple[bytes, bytes], token: str) -> None:
    assert bearer_token([(b"host", b"x"), header]) == token


def test_the_command_prints_the_token_alone_on_its_line() -> None:
    site = make_site(slug="kyoto")
    out, err = command("--site", "kyoto", "--label", "gateway")
    identity = identify(token=out.strip())
    assert identity is not None
    assert identity.site_id == site.pk
    assert "shown only now" in err
    assert AgentToken.objects.get().label == "gateway"


def test_the_command_names_the_sites_there_are() -> None:
    make_site(slug="kyoto")
    with pytest.raises(CommandError, match="There is no site 'nara'. There are: kyoto."):
        command("--site", "nara")


def test_the_command_revokes_by_prefix_and_by_the_whole_token(issued: IssuedToken) -> None:
    other = create_agent_token(site=issued.token.site, label="second", now=NOON)
    assert "out within 30 s" in command("--revoke", issued.token.prefix)[0]
    command("--revoke", other.text)
    assert identify(token=issued.text) is None
    assert identify(token=other.text) is None


def test_the_command_revokes_nothing_that_is_not_clear(issued: IssuedToken) -> None:
    create_agent_token(site=issued.token.site, label="second", now=NOON)
    with pytest.raises(CommandError, match="Several tokens start with 'hw_'"):
        command("--revoke", "hw_")
    with pytest.raises(CommandError, match="No token starts with '%'"):
        command("--revoke", "%")
    assert identify(token=issued.text) is not None
