"""The silences page: hold back with an end, an author and a reason; see it, end it, lengthen it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from runbooks.models import Alert, Silence
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.silences import create_silence
from tests.factories import make_site, make_user
from tests.noc.detail_world import HTMX, NOW, hot_alert, signed_in, stop_clock

pytestmark = pytest.mark.django_db

hour = timedelta(hours=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_for(user: Any, query: str = "") -> str:
    answer = signed_in(user).get(reverse("noc:silences") + query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def silence_thermal(user: Any, **overrides: Any) -> Silence:
    fields: dict[str, Any] = {
        "matchers": parse_matchers('kind="thermal.envelope"'),
        "starts_at": NOW,
        "ends_at": NOW + 2 * hour,
        "reason": "fan swap",
        "by": user,
        "now": NOW,
    }
    return create_silence(**(fields | overrides))


def send(user: Any, **said: str) -> Any:
    fields = {"matchers": 'kind="thermal.envelope"', "site": "", "hours": "2", "reason": "fan swap"}
    return signed_in(user).post(reverse("noc:silences"), fields | said)


def test_without_a_silence_the_page_says_that_everything_pages() -> None:
    page = page_for(make_user("operator"))
    assert "No silence is in force" in page
    assert "Every open alert pages as its policy says." in page


def test_a_silence_that_ends_soon_is_marked() -> None:
    user = make_user("operator")
    silence_thermal(user)
    assert "then paging goes on" not in page_for(user)
    silence_thermal(user, ends_at=NOW + hour / 5)
    page = page_for(user)
    assert "1 silence ends within a quarter of an hour." in page
    assert page.count("then paging goes on") == 1


def test_a_silence_holds_back_what_matches_and_says_who_and_why() -> None:
    alert = hot_alert()
    user = make_user("operator", first_name="Anne", last_name="Roux")
    assert send(user).status_code == 302
    alert.refresh_from_db()
    assert alert.is_suppressed
    page = page_for(user)
    assert "1 silence holds alerts back" in page
    assert "<code>kind=&quot;thermal.envelope&quot;</code>" in page
    assert "fan swap" in page
    assert "Anne Roux" in page
    assert "holds back 1 alert" in page


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"reason": ""}, "reason"),
        ({"hours": "0"}, "The length must be 1 to 2,160 hours."),
        ({"hours": "forever"}, "The length must be 1 to 2,160 hours."),
        ({"matchers": ""}, "matcher"),
        ({"matchers": "kind thermal"}, "kind"),
        ({"starts": "tomorrow"}, "The start is no time; write it like 2030-01-31T21:00."),
    ],
)
def test_what_cannot_be_silenced_is_refused_and_what_was_typed_stays(
    said: dict[str, str], sentence: str
) -> None:
    answer = send(make_user("operator"), **({"reason": "fan swap, Ken on site"} | said))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert "fan swap, Ken on site" in page or said.get("reason") == ""
    assert not Silence.objects.exists()


def test_the_form_begins_with_what_the_alert_is_like() -> None:
    alert = hot_alert()
    page = page_for(make_user("operator"), f"?alert={alert.pk}")
    assert "kind=&quot;thermal.envelope&quot;" in page
    assert f"node=&quot;{alert.node.name}&quot;" in page if alert.node else False


def test_the_preview_tells_what_would_be_held_back() -> None:
    alert = hot_alert()
    client = signed_in(make_user("operator"))
    answer = client.get(
        reverse("noc:silence-preview"),
        {"matchers": 'kind=~"thermal.*"', "site": alert.site.slug},
        headers=HTMX,
    )
    assert "Holds back 1 open alert now." in answer.content.decode()
    answer = client.get(reverse("noc:silence-preview"), {"matchers": 'kind=~"("'}, headers=HTMX)
    assert 'class="fault"' in answer.content.decode()


def test_the_preview_tells_nothing_of_hidden_sites() -> None:
    hot_alert()
    client = signed_in(make_user("operator", site=make_site()))
    answer = client.get(reverse("noc:silence-preview"), {"matchers": 'kind=~".+"'}, headers=HTMX)
    assert "No open alert matches now" in answer.content.decode()


def test_who_answers_for_one_site_cannot_silence_all_of_them() -> None:
    site = make_site()
    user = make_user("operator", site=site)
    assert send(user).status_code == 403
    assert send(user, site=site.slug).status_code == 302
    assert Silence.objects.get().site == site


def test_a_viewer_may_look_only() -> None:
    user = make_user("viewer")
    assert "You may look." in page_for(user)
    assert send(user).status_code == 403


def test_ending_a_silence_lets_go_at_once() -> None:
    alert = hot_alert()
    user = make_user("operator")
    silence = silence_thermal(user)
    answer = signed_in(user).post(reverse("noc:silence-end", args=[silence.pk]))
    assert answer.status_code == 302
    silence.refresh_from_db()
    alert.refresh_from_db()
    assert silence.ended_at == NOW
    assert not alert.is_suppressed
    assert Alert.objects.get(pk=alert.pk).response == Alert.Response.UNACKNOWLEDGED


def test_a_silence_gets_a_new_end() -> None:
    user = make_user("operator")
    silence = silence_thermal(user)
    signed_in(user).post(reverse("noc:silence-lengthen", args=[silence.pk]), {"hours": "8"})
    assert Silence.objects.filter(ended_at__isnull=True).latest("created_at").ends_at == (
        NOW + 8 * hour
    )


def test_a_silence_of_a_hidden_site_does_not_exist() -> None:
    operator = make_user("operator")
    silence = silence_thermal(operator, site=make_site())
    stranger = signed_in(make_user("operator", site=make_site()))
    assert stranger.post(reverse("noc:silence-end", args=[silence.pk])).status_code == 404
