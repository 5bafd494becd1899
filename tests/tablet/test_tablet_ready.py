"""Making a tablet ready: what it has to hold, who may ask, and what it says of itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.test import Client

from fleet.models import Membership, Site
from fleet.noc.run_site_board import site_runs
from runbooks.models import Run, RunbookMedia, Tablet
from runbooks.runs.services import abandon_run
from runbooks.runs.tablets import MOST_BYTES, MOST_RUNS
from tests.factories import NOON, make_site, make_user
from tests.runbooks.run_world import PNG, make_run

pytestmark = pytest.mark.django_db

DIGEST = hashlib.sha256(PNG).hexdigest()
SAID = {
    "device": "tablet-00000001",
    "label": "iPad",
    "hash": "ab" * 32,
    "files": 14,
    "ready": 13,
    "persistent": True,
    "waiting": 2,
}


def illustrate(run: Run) -> None:
    """Give the run's edition a picture; as a translation, because editions never change."""
    RunbookMedia.objects.create(
        sha256=DIGEST,
        name="a.png",
        content_type="image/png",
        size=len(PNG),
        data=PNG,
        added_at=NOON,
    )
    version = run.runbook_version
    version.translations.create(
        language="ja",
        document=version.document | {"media": {"a.png": DIGEST}},
        content_hash="cd" * 32,
        published_at=NOON,
    )


def test_the_pack_names_open_runs_and_their_pictures_with_hashes(
    client: Client, hands: Any, site: Site
) -> None:
    run, ended = make_run(site=site), make_run(site=site)
    make_run()
    illustrate(run)
    abandon_run(run=ended, by=ended.lead, reason="Sold.", now=NOON)
    pack = client.get("/sites/osaka-3/pack.json").json()
    url = f"/api/v1/runs/{run.pk}/pictures/{DIGEST}"
    # The library's own is for the next run of it, which may be begun without network.
    library = f"/runbooks/media/{DIGEST}"
    facts = {"sha256": DIGEST, "size": len(PNG)}
    assert pack["files"] == [{"url": url, **facts}, {"url": library, **facts}]
    assert (pack["runs"], pack["total"], pack["name"]) == ([run.pk], 2 * len(PNG), "Osaka-3")
    for address in (url, library):
        assert hashlib.sha256(client.get(address).content).hexdigest() == DIGEST


def test_another_set_of_runs_has_another_hash(client: Client, hands: Any, site: Site) -> None:
    first = client.get("/sites/osaka-3/pack.json").json()
    make_run(site=site)
    assert client.get("/sites/osaka-3/pack.json").json()["hash"] != first["hash"]


@pytest.mark.parametrize("role", [None, "viewer", "owner"])
def test_who_may_not_run_there_is_told_of_no_such_site(
    client: Client, site: Site, role: str | None
) -> None:
    client.force_login(make_user(role, site if role else None))
    answer = client.get("/sites/osaka-3/pack.json")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_site")
    said = client.post("/sites/osaka-3/tablets/", SAID, content_type="application/json")
    assert said.status_code == 404
    assert not Tablet.objects.exists()


def test_a_tablet_says_how_ready_it_is_and_stands_once(
    client: Client, hands: Any, site: Site
) -> None:
    for ready in (13, 14):
        body = SAID | {"ready": ready}
        answer = client.post("/sites/osaka-3/tablets/", body, content_type="application/json")
        assert answer.status_code == 200
    tablet = Tablet.objects.get()
    assert (tablet.site, tablet.user, tablet.label) == (site, hands, "iPad")
    assert (tablet.file_count, tablet.ready_count, tablet.waiting_count) == (14, 14, 2)
    assert tablet.is_storage_persistent


def test_a_tablet_that_is_ready_for_two_sites_is_listed_at_both_with_all_that_it_has_to_send(
    client: Client, hands: Any, site: Site
) -> None:
    second = make_site(name="Kyoto-1", slug="kyoto-1")
    Membership.objects.create(user=hands, site=second, role="remote_hands")
    for slug, said in (
        ("osaka-3", {"ready": 13, "waiting": 4}),
        ("kyoto-1", {"files": 7, "ready": 7, "waiting": 1, "label": "Rack iPad"}),
    ):
        body = SAID | said
        client.post(f"/sites/{slug}/tablets/", body, content_type="application/json")
    rows = [site_runs(user=hands, site=one, now=NOON).tablets for one in (site, second)]
    (here,), (there,) = rows
    assert (here.words, there.words) == ("not ready, 13 of 14", "ready, 7 of 7")
    assert [row.tablet.waiting_count for row in (here, there)] == [1, 1]
    assert [str(row.tablet) for row in (here, there)] == ["Rack iPad"] * 2


@pytest.mark.parametrize(
    "wrong",
    [{"ready": -1}, {"label": "a\x00"}, {"files": "14"}, {"persistent": 1}, {"hash": "x" * 65}],
)
def test_what_is_no_readiness_is_refused(
    client: Client, hands: Any, site: Site, wrong: dict[str, Any]
) -> None:
    answer = client.post("/sites/osaka-3/tablets/", SAID | wrong, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_readiness")


def test_another_sites_form_cannot_speak_for_a_tablet(site: Site) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_user("remote_hands", site))
    answer = strict.post("/sites/osaka-3/tablets/", json.dumps(SAID), content_type="text/plain")
    assert answer.status_code == 403


def weigh(run: Run, size: int) -> None:
    """Give the run's edition a picture that says it has so many bytes."""
    digest = hashlib.sha256(str(run.pk).encode()).hexdigest()
    RunbookMedia.objects.create(
        sha256=digest,
        name="a.png",
        content_type="image/png",
        size=size,
        data=PNG,
        added_at=NOON,
    )
    version = run.runbook_version
    version.translations.create(
        language="ja",
        document=version.document | {"media": {"a.png": digest}},
        content_hash=digest,
        published_at=NOON,
    )


def test_the_pack_holds_25_mb_the_newest_first_and_names_what_is_left_out(
    client: Client, hands: Any, site: Site
) -> None:
    oldest, large, small, newest = (make_run(site=site) for _ in range(4))
    for run, size in (
        (oldest, 1),
        (large, MOST_BYTES),
        (small, 1_000),
        (newest, MOST_BYTES - 1001),
    ):
        weigh(run, size)
    pack = client.get("/sites/osaka-3/pack.json").json()
    assert pack["runs"] == [newest.pk, small.pk, oldest.pk]
    assert (pack["total"], pack["most"]) == (MOST_BYTES, 25_000_000)
    title = large.runbook_version.runbook.title
    assert pack["left_out"] == [{"id": large.pk, "title": title}]
    assert len(pack["files"]) == 3


def test_runs_beyond_the_twenty_newest_are_named_as_left_out(
    client: Client, hands: Any, site: Site
) -> None:
    lead = make_user("operator", site)
    runs = [make_run(site=site, by=lead) for _ in range(MOST_RUNS + 1)]
    pack = client.get("/sites/osaka-3/pack.json").json()
    assert len(pack["runs"]) == MOST_RUNS
    assert [run["id"] for run in pack["left_out"]] == [runs[0].pk]
