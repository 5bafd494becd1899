"""Email: one mail a page, to a real mail server, and never later than its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from runbooks.paging.contacts import send_test_page
from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer, Fate, describe, fate_of
from runbooks.paging.transports.endpoint import Endpoint, EndpointError
from runbooks.paging.transports.mail import check
from runbooks.paging.transports.registry import TRANSPORTS
from tests.factories import make_contact, make_site
from tests.mail_server import MailServer
from tests.page_facts import NOON, contact_test_facts, page_facts
from tests.runbooks.world import deliver, queued, sentences_of

ANA = Endpoint(kind="email", url="mailto:ana@example.org")


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    with MailServer() as running:
        settings.HEARTHWATCH_SMTP_HOST = "127.0.0.1"
        settings.HEARTHWATCH_SMTP_PORT = running.port
        settings.HEARTHWATCH_SMTP_TLS = "none"
        settings.HEARTHWATCH_SMTP_FROM = "Hearthwatch <pager@hearthwatch.example>"
        settings.HEARTHWATCH_SMTP_USER = ""
        settings.HEARTHWATCH_SMTP_PASSWORD = ""
        yield running


def send(facts: PageFacts, *, timeout_seconds: float = 5) -> Answer:
    return TRANSPORTS["email"](
        facts, endpoint=ANA, at=NOON, timeout_seconds=timeout_seconds, allowed=[]
    )


def test_a_mail_says_what_where_and_how_to_take_it(server: MailServer) -> None:
    answer = send(page_facts(ack_url="https://hearthwatch.example/p/abc/"))
    assert fate_of(answer) is Fate.SENT
    (mail,) = server.mails
    assert server.recipients == ["ana@example.org"]
    assert mail["Subject"] == "Urgent: Inlet 38.4 °C, limit 35 °C. (Osaka-1, node-1)"
    assert mail["From"] == "Hearthwatch <pager@hearthwatch.example>"
    text = mail.get_content()
    assert "Acknowledge: https://hearthwatch.example/p/abc/" in text
    assert "1. Look at Osaka-1" in text
    assert "It is 21:00 at the site." in text


def test_every_mail_of_one_page_has_the_id_of_that_page(server: MailServer) -> None:
    for attempt in (1, 2):
        send(page_facts(attempt=attempt))
    assert {mail["Message-ID"] for mail in server.mails} == {
        "<msg_0123456789abcdef@hearthwatch.example>"
    }
    assert {mail["References"] for mail in server.mails} == {"<alert-12@hearthwatch.example>"}


def test_a_line_break_in_a_summary_makes_no_new_header(server: MailServer) -> None:
    send(page_facts(summary="hot\r\nBcc: everybody@example.org"))
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert server.recipients == ["ana@example.org"]


def test_a_test_mail_says_that_it_is_one(server: MailServer) -> None:
    send(contact_test_facts())
    (mail,) = server.mails
    assert mail["Subject"] == "Test page"
    assert "Test page for Ana Silva." in mail.get_content()


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA", "BODY"])
def test_a_refusal_for_good_is_final_and_one_for_now_is_not(
    server: MailServer, command: str
) -> None:
    server.refuses(command, "550 no such person")
    server.answers |= {"HELO": "550 no such person"} if command == "EHLO" else {}
    final = send(page_facts())
    server.refuses(command, "451 come back later")
    server.answers |= {"HELO": "451 come back later"} if command == "EHLO" else {}
    passing = send(page_facts())
    assert (fate_of(final), fate_of(passing)) == (Fate.DEAD, Fate.RETRY)
    assert final.error == "The mail server answered 550: no such person"
    assert server.mails == []


@pytest.mark.parametrize("command", ["EHLO", "RCPT", "BODY"])
def test_a_server_that_drips_is_as_late_as_one_that_says_nothing(
    server: MailServer, command: str
) -> None:
    server.refuses(command, "drip")
    answer = send(page_facts(), timeout_seconds=0.4)
    assert fate_of(answer) is Fate.RETRY
    assert answer.error


def test_the_password_is_given_to_the_server_and_kept_out_of_what_it_says(
    server: MailServer, settings: Settings
) -> None:
    settings.HEARTHWATCH_SMTP_USER = "pager"
    settings.HEARTHWATCH_SMTP_PASSWORD = "correct horse battery"
    send(page_facts())
    assert len(server.logins) == 1
    server.refuses("AUTH", "535 wrong: correct horse battery")
    answer = send(page_facts())
    assert fate_of(answer) is Fate.DEAD
    assert answer.error == "The mail server answered 535: wrong: •••"


def test_a_server_that_is_not_there_is_tried_again(settings: Settings) -> None:
    settings.HEARTHWATCH_SMTP_HOST = "127.0.0.1"
    settings.HEARTHWATCH_SMTP_PORT = 9
    settings.HEARTHWATCH_SMTP_FROM = "pager@hearthwatch.example"
    answer = send(page_facts())
    assert fate_of(answer) is Fate.RETRY
    assert answer.error.startswith("The mail server could not be used:")


def test_without_a_mail_server_mail_is_refused_with_what_to_set(settings: Settings) -> None:
    settings.HEARTHWATCH_SMTP_HOST = ""
    answer = send(page_facts())
    assert fate_of(answer) is Fate.DEAD
    assert "HEARTHWATCH_SMTP_HOST" in answer.error


def test_a_server_that_must_use_tls_and_cannot_gets_no_mail(
    server: MailServer, settings: Settings
) -> None:
    settings.HEARTHWATCH_SMTP_TLS = "starttls"
    assert fate_of(send(page_facts())) is not Fate.SENT
    assert server.mails == []


@pytest.mark.parametrize(
    "url", ["mailto:", "mailto:ana", "mailto:a@b.org,c@d.org", "mailto:a@b.org?bcc=c@d.org", "a b"]
)
def test_what_is_no_single_mail_address_is_refused(url: str) -> None:
    with pytest.raises(EndpointError) as caught:
        check(Endpoint(kind="email", url=url))
    assert caught.value.code == "bad_mail_address"


@pytest.mark.django_db
@pytest.mark.usefixtures("server", "library")
def test_a_mail_that_was_taken_is_told_in_the_words_of_mail() -> None:
    contact = make_contact(kind="email", url="mailto:ana@example.org", secret="", label="mail")
    alert = queued(make_site(owner=contact.owner))
    assert deliver(NOON).sent == 1
    assert sentences_of(alert, "page_sent") == [
        f"Page delivered to {contact.owner.name} by mail (attempt 1, SMTP 250)."
    ]
    assert fate_of(send_test_page(contact=contact, by=None, now=NOON)) is Fate.SENT
    contact.refresh_from_db()
    assert contact.last_test_outcome == "The test page got through (SMTP 250)."


@pytest.mark.parametrize(
    ("kind", "words"),
    [("webhook", "HTTP 204"), ("email", "SMTP 204"), ("apprise", "accepted by the service")],
)
def test_a_status_is_told_in_the_words_of_its_transport(kind: str, words: str) -> None:
    assert describe(Answer(status=204), kind=kind) == words
    assert describe(Answer(status=None, error="Nobody there."), kind=kind) == "Nobody there."
