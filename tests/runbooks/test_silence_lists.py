"""Silences in lists: told before they end, shown to whom they concern, aged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import Http404

from fleet.models import Membership
from runbooks.models import Alert, AlertEvent, Silence
from runbooks.suppression.cycle import apply_suppressions
from runbooks.suppression.endings import warn_of_endings
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.selectors import (
    held_alerts_for,
    silence_for,
    silences_for,
)
from runbooks.suppression.silences import (
    change_silence,
    create_silence,
)
from telemetry.models import Finding
from tests.factories import NOON, make_site, make_user
from tests.runbooks.world import (
    make_alert,
    sentences_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

HOUR = timedelta(hours=1)
HOT = 'kind="thermal.envelope"'


def make_silence(text: str = HOT, *, now: datetime = NOON, **overrides: Any) -> Silence:
    fields: dict[str, Any] = {
        "starts_at": now,
        "ends_at": now + HOUR,
        "reason": "Fan is being changed.",
        "by": overrides.pop("by", None) or make_user(first_name="Ana", last_name="Sato"),
    }
    return create_silence(matchers=parse_matchers(text), now=now, **(fields | overrides))


def test_each_held_alert_is_told_a_quarter_of_an_hour_before_once() -> None:
    alert = make_alert()
    silence = make_silence()
    assert warn_of_endings(now=NOON + timedelta(minutes=44)) == 0
    assert warn_of_endings(now=NOON + timedelta(minutes=45)) == 1
    assert warn_of_endings(now=NOON + timedelta(minutes=46)) == 0
    silence.refresh_from_db()
    assert silence.warned_at == NOON + timedelta(minutes=45)
    assert sentences_of(alert, "suppressed")[-1] == (
        "The silence that holds it back ends at 13:00 UTC (Fan is being changed). Then paging "
        "goes on, unless something else holds it back."
    )


def test_a_moved_end_is_announced_anew() -> None:
    alert = make_alert()
    silence = make_silence()
    warn_of_endings(now=NOON + timedelta(minutes=50))
    change_silence(silence=silence, ends_at=NOON + 3 * HOUR, by=make_user(), now=NOON + HOUR / 2)
    assert warn_of_endings(now=NOON + 3 * HOUR - timedelta(minutes=5)) == 1
    assert AlertEvent.objects.filter(alert=alert, kind="suppressed").count() == 3


def test_a_silence_of_minutes_is_not_announced() -> None:
    make_alert()
    make_silence(ends_at=NOON + timedelta(minutes=20))
    assert warn_of_endings(now=NOON + timedelta(minutes=10)) == 0


def test_silences_are_shown_for_the_sites_one_may_see_and_for_every_site() -> None:
    mine, other = make_site(), make_site()
    user = make_user(Membership.Role.VIEWER, mine)
    shown = make_silence(site=mine)
    hidden = make_silence(site=other)
    everywhere = make_silence()
    assert set(silences_for(user, NOON)) == {shown, everywhere}
    with pytest.raises(Http404):
        silence_for(user, hidden.pk)


def test_what_ended_long_ago_leaves_the_list_but_not_the_record() -> None:
    user = make_user(Membership.Role.VIEWER)
    silence = make_silence()
    assert list(silences_for(user, NOON + timedelta(hours=120))) == [silence]
    assert list(silences_for(user, NOON + timedelta(hours=122))) == []
    assert silence_for(user, silence.pk) == silence


def test_the_ageing_list_begins_with_what_is_held_longest() -> None:
    user = make_user(Membership.Role.VIEWER)
    first, second = make_alert(), make_alert(kind=Finding.Kind.DISK_FULL)
    make_silence('kind="disk.full"')
    make_silence(now=NOON + HOUR / 2)
    held = list(held_alerts_for(user, NOON + HOUR))
    assert held == [second, first]
    assert [alert.held_for for alert in held] == [HOUR, HOUR / 2]
    assert [row.kind for row in held[0].holds] == ["silenced"]


def test_a_silence_that_cannot_be_read_any_more_stops_nothing_else() -> None:
    alert = make_alert()
    damaged = make_silence('kind="site.dark"')
    Silence.objects.filter(pk=damaged.pk).update(matchers=[{"name": "kind"}])
    make_silence()
    assert Alert.objects.get(pk=alert.pk).is_suppressed
    assert apply_suppressions(now=NOON + HOUR) == 1
