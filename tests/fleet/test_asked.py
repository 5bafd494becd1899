"""A job that waits in the broker is not asked for again until a worker has begun it."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction

from fleet.hints import hints
from fleet.queue import Job, enqueue_on_commit
from runbooks.tasks import take_in_findings

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> Any:
    """Return the empty broker."""
    client = redis.from_url(settings.REDIS_URL)
    hints.wait_until_sent()
    client.flushdb()
    return client


@pytest.fixture
def ask(django_capture_on_commit_callbacks: Any) -> Any:
    """Ask for a job in a transaction of its own, and wait until the hint was sent."""

    def ask_for(job: Job, **kwargs: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            enqueue_on_commit(job, **kwargs)
        hints.wait_until_sent()

    return ask_for


def test_a_job_that_waits_is_not_asked_for_twice(broker: Any, ask: Any) -> None:
    for _ in range(3):
        ask(Job.TAKE_IN_FINDINGS)
        ask(Job.ESCALATE_DUE)
    assert broker.llen("celery") == 2


def test_once_a_worker_begins_a_job_it_is_asked_for_again(broker: Any, ask: Any) -> None:
    ask(Job.TAKE_IN_FINDINGS)
    take_in_findings.apply()
    ask(Job.TAKE_IN_FINDINGS)
    assert broker.llen("celery") == 2


def test_a_mark_whose_worker_ended_goes_by_itself(broker: Any, ask: Any) -> None:
    ask(Job.TAKE_IN_FINDINGS)
    assert 0 < broker.pttl(f"hearthwatch:asked:{Job.TAKE_IN_FINDINGS}") <= 1000


def test_jobs_with_arguments_are_each_asked_for(broker: Any, ask: Any) -> None:
    ask(Job.EVALUATE_SITES, site_ids=[1])
    ask(Job.EVALUATE_SITES, site_ids=[2])
    assert broker.llen("celery") == 2


def test_a_job_is_done_though_redis_is_gone(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert take_in_findings.apply().get() == "took in 0 findings"
