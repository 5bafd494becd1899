"""What would go wrong if something happened now: lacks, told before they hurt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fleet.models import Contact, Site
from runbooks.escalation.network import Followed, Network, load_network
from runbooks.escalation.plan import Facts, facts_about, is_open, opening_of
from runbooks.escalation.steps import SEVERITIES, Step, split_word
from runbooks.models import Schedule
from runbooks.oncall.calendars import ends_of_calendars
from runbooks.oncall.selectors import ShownTurn, gaps_between
from runbooks.paging.failing import Failure, failing_contacts
from runbooks.paging.trials import is_not_shown_yet

#: How far ahead gaps are looked for.
AHEAD = timedelta(days=14)
_HOUR = timedelta(hours=1)
_WEEK_HOURS = 7 * 24
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that keeps a page from reaching somebody; `sentence` says what to do.

    `subject` is whose it is, in words; the ids say where to mend it, None where it is elsewhere.
    """

    code: str
    subject: str
    sentence: str
    owner_id: int | None = None
    site_id: int | None = None
    schedule_id: int | None = None


def lacks(*, now: datetime) -> list[Lack]:
    """Return everything that is lacking, the worst kind first. Nothing is written.

    Codes: `no_catch_all`, `no_policy`, `bad_policy`, `nobody_reachable`, `only_one_person`,
    `step_reaches_nobody`, `urgent_held`, `schedule_gap`, `calendar_ends`, `owner_unreachable`,
    `contact_gone`, `contact_failing`, `contact_failed`, `contact_untested`.
    """
    network = load_network(now=now, until=now + AHEAD)
    return [
        *_catch_all(network),
        *(lack for followed in network.followed for lack in _site(network, followed)),
        *_steps(network),
        *_urgent_held(network, now),
        *_gaps(network, now),
        *_ending_calendars(network, now),
        *_owners(network),
        *_contacts(now),
    ]


def _catch_all(network: Network) -> Iterator[Lack]:
    if network.catch_all_id is None:
        yield Lack(
            "no_catch_all",
            "Catch-all owner",
            "No owner is the catch-all, so a step that reaches nobody has nobody to fall back "
            "on, and nobody is told when the pager itself fails; mark one owner as the catch-all.",
        )


def _site(network: Network, followed: Followed) -> Iterator[Lack]:
    site = followed.site
    if followed.version is None:
        yield Lack(
            "no_policy",
            site.name,
            f"{site} follows no escalation policy, so nobody is paged; choose one.",
            site_id=site.pk,
        )
        return
    if not followed.steps:
        yield Lack(
            "bad_policy",
            site.name,
            f"{followed.version} of {site} cannot be read; publish it anew.",
            site_id=site.pk,
        )
        return
    people = _everybody(network, followed)
    if not people:
        yield Lack(
            "nobody_reachable",
            site.name,
            f"Nobody at all can be paged for {site}; give its owner a contact and send it a test "
            "page.",
            site_id=site.pk,
        )
    if len(people) == 1:
        owner_id = next(iter(people))
        yield Lack(
            "only_one_person",
            site.name,
            f"Only {network.names[owner_id]} can be paged for {site}; if they sleep through it, "
            "nobody comes. Name a second person in a step, or a catch-all owner.",
            owner_id=owner_id,
            site_id=site.pk,
        )


def _everybody(network: Network, followed: Followed) -> set[int]:
    """Return everybody whom the site's alerts may reach, those who stand in included."""
    site = followed.site
    found = {site.owner_id, network.catch_all_id} & network.reachable
    for step in followed.steps:
        found |= network.reached_by(step, site)
    return {owner_id for owner_id in found if owner_id is not None}


def _steps(network: Network) -> Iterator[Lack]:
    """Name each step that reaches nobody once, with the sites at which it does not."""
    sites: dict[tuple[str, int], list[Site]] = defaultdict(list)
    for followed in network.followed:
        for number, step in enumerate(followed.steps, start=1):
            if followed.version is not None and not network.reached_by(step, followed.site):
                sites[followed.version.policy.name, number].append(followed.site)
    for (policy, number), where in sites.items():
        yield Lack(
            "step_reaches_nobody",
            f"{policy}, step {number}",
            f"Nobody of step {number} of {policy} can be reached at {_listed(where)}: no working "
            "contact. Give these people one, or name others.",
            site_id=where[0].pk if len(where) == 1 else None,
        )


def _urgent_held(network: Network, now: datetime) -> Iterator[Lack]:
    """Tell of policies that keep urgent alerts waiting because no step is open at some hours."""
    told: set[tuple[int, str]] = set()
    for followed in network.followed:
        version, zone = followed.version, followed.site.time_zone
        if version is None or not followed.steps or (version.pk, zone) in told:
            continue
        told.add((version.pk, zone))
        facts = facts_about(followed.steps, severity=SEVERITIES[0], time_zone=zone)
        closed_at = _first_closed_hour(followed.steps, facts, now)
        if closed_at is not None:
            local = closed_at.astimezone(ZoneInfo(zone))
            yield Lack(
                "urgent_held",
                version.policy.name,
                f"{version.policy} pages nobody for urgent alerts at some hours (next on "
                f"{local:%A at %H:%M}, {zone}); they wait until a step opens. Add a step without "
                "hours.",
                site_id=followed.site.pk,
            )


def _first_closed_hour(steps: tuple[Step, ...], facts: Facts, now: datetime) -> datetime | None:
    for number in range(_WEEK_HOURS):
        at = now + number * _HOUR
        if not any(is_open(step, facts=facts, at=at) for step in steps):
            return at
    return None


def _gaps(network: Network, now: datetime) -> Iterator[Lack]:
    """Tell of each schedule in use that leaves a moment uncovered at which a step would ask it."""
    asked: dict[str, list[tuple[Step, Facts]]] = defaultdict(list)
    for followed in network.followed:
        for step in followed.steps:
            for kind, name in map(split_word, step.notify):
                if kind == "schedule":
                    asked[name].append((step, Facts(time_zone=followed.site.time_zone)))
    for slug, askers in sorted(asked.items()):
        schedule = network.schedules.get(slug)
        if schedule is not None:
            gaps = gaps_between(schedule, start=now, end=now + AHEAD)
            hit = [gap for gap in gaps if any(_hits(*asker, gap) for asker in set(askers))]
            if hit:
                yield _gap_lack(schedule, hit)


def _ending_calendars(network: Network, now: datetime) -> Iterator[Lack]:
    """Tell of calendars taken in that end within sight."""
    for schedule, end in ends_of_calendars(network.schedules.values()):
        if now < end <= now + AHEAD:
            local = end.astimezone(ZoneInfo(schedule.time_zone))
            yield Lack(
                "calendar_ends",
                schedule.name,
                f"The calendar taken into {schedule} ends on {local:%a %-d %b at %H:%M} "
                f"({schedule.time_zone}); from then on its own rotations say who is on call. Take "
                "the calendar in again.",
                schedule_id=schedule.pk,
            )


def _hits(step: Step, facts: Facts, gap: ShownTurn) -> bool:
    if is_open(step, facts=facts, at=gap.starts_at):
        return True
    opens_at = opening_of(step, facts=facts, now=gap.starts_at)
    return opens_at is not None and opens_at < gap.ends_at


def _gap_lack(schedule: Schedule, gaps: list[ShownTurn]) -> Lack:
    zone = ZoneInfo(schedule.time_zone)
    begins, ends = (at.astimezone(zone) for at in (gaps[0].starts_at, gaps[0].ends_at))
    more = f", and {len(gaps) - 1} more times in 14 days" if len(gaps) > 1 else ""
    return Lack(
        "schedule_gap",
        schedule.name,
        f"Nobody is on call in {schedule} from {begins:%a %-d %b %H:%M} to {ends:%a %-d %b %H:%M} "
        f"({schedule.time_zone}){more}; add an override or change the rotation.",
        schedule_id=schedule.pk,
    )


def _owners(network: Network) -> Iterator[Lack]:
    """Tell of everybody somebody relies on who has no working contact, and who relies on them."""
    relied_on: dict[int, dict[str, None]] = defaultdict(dict)
    if network.catch_all_id is not None:
        found = relied_on[network.catch_all_id]
        found["every site, as the catch-all"] = None
        found["the auditor, which tells them when the pager itself fails"] = None
    for followed in network.followed:
        if followed.site.owner_id is not None:
            relied_on[followed.site.owner_id][followed.site.name] = None
        for step in followed.steps:
            for word in step.notify:
                for owner_id in network.owners_of(word, followed.site):
                    relied_on[owner_id][followed.site.name] = None
    unreachable = relied_on.keys() - network.reachable
    for owner_id in sorted(unreachable, key=lambda key: (network.names[key], key)):
        name = network.names[owner_id]
        yield Lack(
            "owner_unreachable",
            name,
            f"{name} has no working contact, but is relied on by "
            f"{_listed(relied_on[owner_id])}; add a contact and send it a test page.",
            owner_id=owner_id,
        )


def _contacts(now: datetime) -> Iterator[Lack]:
    kinds: dict[str, list[Lack]] = {"gone": [], "failing": [], "failed": [], "untested": []}
    failing = failing_contacts(now=now)
    rows = Contact.objects.filter(is_enabled=True).select_related("owner")
    for contact in rows.order_by("owner__name", "position", "pk"):
        if contact.pk in failing:
            kinds["failing"].append(_failing(contact, failing[contact.pk]))
            continue
        if contact.disabled_reason:
            kind, why = "gone", f"was switched off: {contact.disabled_reason.rstrip('.')}"
        elif contact.tested_at is not None:
            continue
        elif is_not_shown_yet(contact):
            kind, why = "untested", "has not shown its test page yet"
        elif contact.last_test_at is not None:
            kind, why = "failed", f"failed its test: {contact.last_test_outcome.rstrip('.')}"
        else:
            kind, why = "untested", "was never tested"
        kinds[kind].append(
            Lack(
                f"contact_{kind}",
                str(contact),
                f"{contact} {why}. It is not paged until a test page gets through; send one.",
                owner_id=contact.owner_id,
            )
        )
    for found in kinds.values():
        yield from found


def _failing(contact: Contact, failure: Failure) -> Lack:
    said = f": {failure.outcome.rstrip('.')}" if failure.outcome else ""
    return Lack(
        "contact_failing",
        str(contact),
        f"{contact} failed at a real page on {failure.at:%-d %b at %H:%M} UTC and took none "
        f"since{said}. Mend it, then send it a test page.",
        owner_id=contact.owner_id,
    )


def _listed(things: Iterable[object]) -> str:
    names = [str(thing) for thing in things]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
