"""Publishing runbooks, and which one answers an alert."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.http import Http404

from runbooks.alerts.intake import take_in_findings
from runbooks.library.bundle import pack
from runbooks.library.document import RunbookError
from runbooks.library.match import NoRunbook, match_runbook
from runbooks.library.media import pictures_of
from runbooks.library.parse import parse_runbook
from runbooks.library.selectors import document_of, library_for_page, version_for_page
from runbooks.library.services import publish_builtin_library, publish_runbook
from runbooks.models import Alert, Escalation, RunbookVersion
from telemetry.models import Finding
from tests.factories import NOON, make_site, make_user
from tests.runbooks.world import make_finding, make_runbook, runbook_text, seconds

pytestmark = pytest.mark.django_db

LATER = NOON + seconds(60)


def matched(kind: str) -> str:
    return match_runbook(kind=kind, site=make_site()).runbook.slug


def test_an_edition_keeps_the_text_and_the_parsed_document() -> None:
    version = make_runbook("reboot", title="Reboot a node")
    assert version.number == 1
    assert version.source == runbook_text("reboot", title="Reboot a node")
    assert document_of(version).steps[1].title == "Open the door"


def test_the_same_text_twice_is_one_edition() -> None:
    assert make_runbook("reboot") == make_runbook("reboot", now=LATER)


def test_another_text_is_the_next_edition_and_the_first_stays() -> None:
    first = make_runbook("reboot")
    second = make_runbook("reboot", title="Reboot with care")
    assert (first.number, second.number) == (1, 2)
    assert second.runbook.title == "Reboot with care"
    assert document_of(RunbookVersion.objects.get(pk=first.pk)).title == "Do this"


def test_a_published_edition_is_never_edited_even_by_sql() -> None:
    make_runbook("reboot")
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        RunbookVersion.objects.update(source="nothing")


def test_what_is_no_runbook_is_not_published() -> None:
    with pytest.raises(RunbookError):
        publish_runbook(source="Turn it off and on again.", by=None, now=NOON)
    assert not RunbookVersion.objects.exists()


def test_the_runbook_that_names_the_kind_answers_it() -> None:
    make_runbook("generic")
    make_runbook("thermal-alarm", matches="thermal.envelope", category="thermal")
    assert matched("thermal.envelope") == "thermal-alarm"


def test_an_older_edition_that_named_the_kind_does_not_answer_it() -> None:
    make_runbook("generic")
    make_runbook("disks", matches="disk.full")
    make_runbook("disks", matches="memory.pressure", now=LATER)
    assert matched("disk.full") == "generic"


def test_of_two_that_name_the_kind_the_one_published_last_answers() -> None:
    make_runbook("zz-first", matches="disk.full")
    make_runbook("aa-second", matches="disk.full", now=LATER)
    make_runbook("mm-third", matches="disk.full", now=NOON)
    assert matched("disk.full") == "aa-second"


def test_a_kind_that_none_names_goes_to_its_category() -> None:
    make_runbook("generic")
    make_runbook("thermal-alarm", matches="thermal.envelope", category="thermal")
    assert matched("thermal.throttle") == "thermal-alarm"


def test_a_procedure_that_names_no_kind_is_not_taken_for_its_category() -> None:
    make_runbook("generic")
    make_runbook("out-of-band-access", category="node")
    assert matched("node.silent") == "generic"


def test_what_nothing_fits_goes_to_the_generic_runbook() -> None:
    make_runbook("generic")
    assert matched("metric.threshold") == "generic"


def test_a_missing_library_says_what_to_run() -> None:
    with pytest.raises(NoRunbook, match=r"Run `manage.py load_runbooks`\."):
        match_runbook(kind="disk.full", site=make_site())


def test_a_finding_without_a_runbook_does_not_hold_up_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_runbook("thermal-alarm", matches="thermal.envelope", category="thermal")
    stuck = make_finding(kind=Finding.Kind.DISK_FULL)
    behind = make_finding()
    with caplog.at_level(logging.ERROR):
        assert take_in_findings(now=NOON) == 1
    assert Alert.objects.get().finding == behind
    assert "Run `manage.py load_runbooks`." in caplog.text
    stuck.refresh_from_db()
    assert stuck.taken_in_revision == 0


def test_a_failed_intake_leaves_nothing_behind_and_is_tried_again() -> None:
    make_finding()
    take_in_findings(now=NOON)
    assert not Alert.objects.exists()
    assert not Escalation.objects.exists()
    make_runbook("generic")
    assert take_in_findings(now=LATER) == 1


def test_the_builtin_library_answers_every_kind_of_finding() -> None:
    publish_builtin_library(now=NOON)
    answers = {kind: matched(kind) for kind in Finding.Kind.values}
    assert answers["thermal.envelope"] == "thermal-alarm"
    assert answers["node.silent"] == "silent-node"
    assert answers["disk.full"] == "disk-full"


def test_the_builtin_library_is_published_once() -> None:
    first = publish_builtin_library(now=NOON)
    assert publish_builtin_library(now=LATER) == first


def test_the_builtin_library_leaves_alone_what_somebody_has_rewritten() -> None:
    publish_builtin_library(now=NOON)
    theirs = publish_runbook(source=runbook_text("reboot"), by=make_user(), now=LATER)
    assert theirs in publish_builtin_library(now=LATER)
    assert version_for_page("reboot") == theirs


def test_the_library_page_lists_the_newest_edition_of_each() -> None:
    make_runbook("reboot")
    make_runbook("reboot", title="Reboot with care", now=LATER)
    make_runbook("thermal-alarm", category="thermal")
    entries = library_for_page()
    assert [(entry.slug, entry.version.number) for entry in entries] == [
        ("reboot", 2),
        ("thermal-alarm", 1),
    ]
    assert entries[0].step_count == 4


def test_one_edition_is_found_by_number_and_a_missing_one_is_not() -> None:
    first = make_runbook("reboot")
    make_runbook("reboot", title="Reboot with care")
    assert version_for_page("reboot", 1) == first
    with pytest.raises(Http404):
        version_for_page("reboot", 3)


def test_load_runbooks_says_what_it_published_and_then_that_nothing_changed() -> None:
    said = []
    for _ in range(2):
        output = io.StringIO()
        call_command("load_runbooks", stdout=output)
        said.append(output.getvalue())
    assert "published  Thermal alarm v1" in said[0]
    assert "published" not in said[1]


def test_load_runbooks_publishes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "reboot.md"
    path.write_text(runbook_text("reboot"), encoding="utf-8")
    call_command("load_runbooks", str(path), stdout=io.StringIO())
    assert version_for_page("reboot").note == "Loaded from reboot.md."


def test_load_runbooks_takes_the_pictures_beside_a_file_and_those_in_a_zip(
    tmp_path: Path,
) -> None:
    gauge = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    text = runbook_text("reboot").replace(
        "- type: confirm\n", "- type: confirm\n- picture: gauge.svg | The gauge\n"
    )
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "gauge.svg").write_bytes(gauge)
    (tmp_path / "reboot.md").write_text(text, encoding="utf-8")
    call_command("load_runbooks", str(tmp_path / "reboot.md"), stdout=io.StringIO())
    assert pictures_of(document_of(version_for_page("reboot"))) == {"gauge.svg": gauge}
    other = parse_runbook(text.replace("slug: reboot", "slug: other"))
    (tmp_path / "elsewhere").mkdir()
    packed = tmp_path / "elsewhere" / "other.zip"
    packed.write_bytes(pack(other, {"gauge.svg": gauge})[2])
    call_command("load_runbooks", str(packed), stdout=io.StringIO())
    assert pictures_of(document_of(version_for_page("other"))) == {"gauge.svg": gauge}


def test_load_runbooks_names_the_file_and_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "bad.md"
    path.write_text("---\nslug: Bad\n---\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"bad\.md was not published"):
        call_command("load_runbooks", str(path))
