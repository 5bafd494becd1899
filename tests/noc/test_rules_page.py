"""The page of inhibition rules: what explains what, who may say so."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from runbooks.models import InhibitionRule
from tests.factories import make_site, make_user
from tests.noc.detail_world import signed_in, stop_clock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def send(user: Any, **said: str) -> Any:
    fields = {
        "name": "Battery explains throttling",
        "source": 'kind="power.battery"',
        "target": 'kind="thermal.throttle"',
        "equal": "site, node",
    }
    return signed_in(user).post(reverse("noc:rules"), fields | said)


def page_for(user: Any) -> str:
    return " ".join(signed_in(user).get(reverse("noc:rules")).content.decode().split())


def test_somebody_without_a_role_anywhere_reads_no_rules() -> None:
    assert signed_in(make_user()).get(reverse("noc:rules")).status_code == 403


def test_a_rule_is_made_and_told_in_words() -> None:
    user = make_user("engineer")
    assert send(user).status_code == 302
    page = page_for(user)
    assert "Battery explains throttling" in page
    assert "where site and node are the same" in page


@pytest.mark.parametrize("said", [{"name": ""}, {"source": ""}, {"target": "=="}, {"equal": "a-b"}])
def test_a_rule_that_cannot_hold_is_refused_and_stays_typed(said: dict[str, str]) -> None:
    answer = send(make_user("engineer"), **said)
    assert answer.status_code == 422
    assert 'class="fault"' in answer.content.decode()
    assert not InhibitionRule.objects.exists()


def test_a_rule_is_switched_off_and_on_and_removed() -> None:
    user = make_user("engineer")
    send(user)
    rule = InhibitionRule.objects.get()
    client = signed_in(user)
    address = reverse("noc:rule-change", args=[rule.pk])
    client.post(address, {"act": "switch"})
    assert "switched off" in page_for(user)
    client.post(address, {"act": "switch"})
    assert InhibitionRule.objects.get().is_enabled
    client.post(address, {"act": "remove"})
    assert not InhibitionRule.objects.exists()
    assert client.post(address, {"act": "remove"}).status_code == 404


@pytest.mark.parametrize("role", ["operator", "viewer", "owner"])
def test_who_may_not_change_policies_may_look_only(role: str) -> None:
    user = make_user(role)
    assert "You may look." in page_for(user)
    assert send(user).status_code == 403


def test_an_engineer_of_one_site_cannot_hold_back_alerts_of_all() -> None:
    assert send(make_user("engineer", site=make_site())).status_code == 403
