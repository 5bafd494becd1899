"""Background work of telemetry says in a sentence what it did."""

from __future__ import annotations

import pytest

from telemetry.tasks import evaluate_due_sites, evaluate_sites, maintain_partitions
from tests.factories import make_site

pytestmark = pytest.mark.django_db


def test_evaluating_sites_says_how_many() -> None:
    sites = [make_site(), make_site()]
    said = evaluate_sites([site.pk for site in sites])
    assert said == "evaluated 2 of 2 sites, 0 windows; 0 busy, 0 failed"


def test_the_sweep_finds_what_no_hint_told_of() -> None:
    make_site()
    assert evaluate_due_sites() == "evaluated 1 sites that were due"
    assert evaluate_due_sites() == "evaluated 0 sites that were due"


def test_partitions_are_made_once() -> None:
    assert maintain_partitions() == "made 5 partitions, dropped 0"
    assert maintain_partitions() == "made 0 partitions, dropped 0"
