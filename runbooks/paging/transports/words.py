"""A page in words, for the transports whose readers are people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from runbooks.paging.content import (
    SEVERITY_WORDS,
    PageFacts,
    acknowledge_url,
    alert_url,
    local_time,
    runbook_url,
    steps_filled,
    worst_first,
)

#: Beyond this many, a message tells how many more there are.
MOST_NAMED = 20
_OWN_TITLES: Mapping[str, str] = {
    "test": "Test page",
    "trouble": "Hearthwatch: the pager itself is in trouble",
    "recovered": "Hearthwatch: the pager does what it owes again",
}

_NOTICES: Mapping[str, str] = {
    "silence.ending": "A silence of yours ends soon",
    "maintenance.ending": "Maintenance of yours ends soon",
    "run.waiting": "A run waits for somebody",
    "run.dispatched": "You are sent to do a run",
    "run.late_entries": "Entries came after the end of your run",
    "run.kept_aside": "Entries of your run are kept aside",
    "review.overdue": "A runbook is overdue for review",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What a person reads: a title, sentences below it, and links of `(words, address)`."""

    title: str
    lines: tuple[str, ...]
    links: tuple[tuple[str, str], ...]

    @property
    def plain(self) -> str:
        """The lines and links as text."""
        return "\n".join([*self.lines, "", *(f"{words}: {url}" for words, url in self.links)])


def message_of(facts: PageFacts, *, at: datetime) -> Message:
    """Return what the page says to a person at `at`."""
    if facts.purpose == "notice":
        look = ("Look at it", facts.notice_url)
        return Message(title=_NOTICES[facts.kind], lines=(facts.summary,), links=(look,))
    if not facts.is_about_an_alert:
        return Message(
            title=_OWN_TITLES[facts.purpose],
            lines=tuple(facts.summary.splitlines()),
            links=() if facts.purpose == "test" else (("Hearthwatch", f"{facts.base_url}/"),),
        )
    if facts.bundled:
        return _bundle(facts)
    lines = [
        f"Paged: {facts.owner_name}, {facts.reason}.",
        f"Began {_clock(facts.began_at)}. {_local(facts, at)}",
    ]
    if facts.site_place:
        lines.append(f"Where: {facts.site_place}.")
    lines.append(f"Runbook: {facts.runbook_title}, version {facts.runbook_version}.")
    lines += [f"{number}. {title}" for number, title in enumerate(steps_filled(facts), start=1)]
    lines.append(_next(facts))
    links = (
        ("Acknowledge", acknowledge_url(facts)),
        ("Alert", alert_url(facts)),
        ("Runbook", runbook_url(facts)),
    )
    return Message(title=title_of(facts), lines=tuple(lines), links=links)


def title_of(facts: PageFacts) -> str:
    """Return one line: how bad, what, where."""
    word = SEVERITY_WORDS.get(facts.severity, "unknown").capitalize()
    return f"{word}: {facts.summary} ({place_of(facts)})"


def place_of(facts: PageFacts) -> str:
    """Return the site, and the node where it is about one."""
    return f"{facts.site_name}, {facts.node_name}" if facts.node_name else facts.site_name


def _bundle(facts: PageFacts) -> Message:
    pages = worst_first(facts)
    count = len(pages) + len(facts.more_alert_ids)
    lines = [f"Paged: {facts.owner_name}."]
    lines += [f"A-{one.alert_id} {title_of(one)}" for one in pages[:MOST_NAMED]]
    if count > MOST_NAMED:
        lines.append(f"And {count - MOST_NAMED} more.")
    links = [(f"Acknowledge A-{one.alert_id}", acknowledge_url(one)) for one in pages[:MOST_NAMED]]
    links.append(("All alerts", f"{facts.base_url}/alerts/"))
    title = f"{count} alerts wait, among them: {title_of(pages[0])}"
    return Message(title=title, lines=tuple(lines), links=tuple(links))


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"


def _local(facts: PageFacts, at: datetime) -> str:
    there = local_time(at, facts.site_time_zone)
    return f"It is {there[11:16]} at the site." if there else ""


def _next(facts: PageFacts) -> str:
    if facts.next_at is None:
        return "Nobody comes after you."
    who = ", ".join(facts.next_who) or "nobody who can be reached"
    return f"Next at {_clock(facts.next_at)}: {who}."
