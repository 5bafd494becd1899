"""Logging in: whoever knows the password gets in, whoever guesses has to wait."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from fleet.noc.demo_accounts import DEMO_ACCOUNTS
from fleet.noc.login_views import TRIES_PER_ADDRESS, TRIES_PER_NAME, WAIT_SECONDS
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_wrong_passwords_yet() -> None:
    cache.clear()


def log_in(client: Client, password: str = "right", **fields: str) -> Any:
    return client.post("/login/", {"username": "mei", "password": password, **fields})


def test_the_right_password_lets_one_in_to_where_one_was_going(client: Client) -> None:
    make_user("operator", username="mei", password="right")
    assert log_in(client, next="/alerts/")["Location"] == "/alerts/"
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:1"]
)
def test_nobody_is_sent_on_to_another_host(client: Client, target: str) -> None:
    make_user("operator", username="mei", password="right")
    assert log_in(client, next=target)["Location"] == "/"


def test_a_wrong_password_is_refused_with_a_sentence(client: Client) -> None:
    make_user(username="mei", password="right")
    answer = log_in(client, "wrong")
    assert answer.status_code == 401
    assert "Name and password do not match." in answer.content.decode()
    assert 'value="mei"' in answer.content.decode()


def test_after_too_many_wrong_passwords_the_right_one_has_to_wait_too(client: Client) -> None:
    make_user(username="mei", password="right")
    for _ in range(TRIES_PER_NAME):
        log_in(client, "wrong")
    answer = log_in(client)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= WAIT_SECONDS
    assert "Wait 15 min and try again" in answer.content.decode()


def test_somebody_elses_wrong_passwords_do_not_lock_one_out(client: Client) -> None:
    make_user(username="mei", password="right")
    for _ in range(TRIES_PER_NAME):
        client.post("/login/", {"username": "mei", "password": "wrong"}, REMOTE_ADDR="192.0.2.1")
    assert log_in(client).status_code == 302


def test_one_address_cannot_try_every_name(client: Client) -> None:
    make_user(username="mei", password="right")
    for number in range(TRIES_PER_ADDRESS):
        client.post("/login/", {"username": f"name-{number}", "password": ""})
    assert log_in(client).status_code == 429


def test_the_right_password_forgives_the_wrong_ones_before_it(client: Client) -> None:
    make_user(username="mei", password="right")
    for _ in range(TRIES_PER_NAME - 1):
        log_in(client, "wrong")
    log_in(client)
    client.post("/logout/")
    log_in(client, "wrong")
    assert log_in(client).status_code == 302


def test_a_part_of_a_page_whose_session_ended_sends_the_whole_page_to_log_in(
    client: Client,
) -> None:
    there = {"HX_Request": "true", "HX_Current_URL": "http://testserver/alerts/?severity=1"}
    answer = client.get("/counts/", headers=there, follow=True)
    assert answer["HX-Redirect"] == "/login/?next=%2Falerts%2F%3Fseverity%3D1"


def test_logging_out_ends_the_session(client: Client) -> None:
    client.force_login(make_user())
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_the_demos_logins_are_offered_in_the_demo_alone(client: Client, settings: Any) -> None:
    settings.HEARTHWATCH_DEMO = True
    assert client.get("/login/").content.decode().count("data-username=") == len(DEMO_ACCOUNTS)
    settings.HEARTHWATCH_DEMO = False
    assert "data-username=" not in client.get("/login/").content.decode()
