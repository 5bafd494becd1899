"""Who would be paged now, for every live site at once: the first step of each policy, resolved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.safestring import SafeString

from fleet.access import AnyUser, sites_visible_to
from fleet.models import Site
from fleet.names import listed
from fleet.noc.oncall_words import short_clock
from runbooks.escalation.network import Followed, Network, load_network
from runbooks.escalation.plan import Step, facts_about, once_around
from runbooks.escalation.steps import split_word
from runbooks.oncall.selectors import on_call_ids


@dataclass(frozen=True, slots=True)
class Place:
    """One site and the time on its clocks."""

    site: Site
    clock: SafeString


@dataclass(slots=True)
class Reach:
    """The sites at which the same people would be paged, and why; no names: nobody would be."""

    names: str
    why: str
    places: list[Place] = field(default_factory=list)


def who_now(user: AnyUser, *, severity: str, now: datetime) -> list[Reach]:
    """Return who would be paged for an alert of `severity` (`urgent`, `high`, `low`) now.

    Sites that reach nobody come first. The queries do not grow with the sites.
    """
    network = load_network(now=now, until=now)
    on_call = on_call_ids(network.schedules.values(), at=now)
    by_slug = {slug: on_call.get(row.pk) for slug, row in network.schedules.items()}
    seen = set(sites_visible_to(user).values_list("pk", flat=True))
    found: dict[tuple[str, str], Reach] = {}
    for followed in network.followed:
        if followed.site.pk not in seen:
            continue
        names, why = _first_of(network, followed, by_slug, severity, now)
        group = found.setdefault((names, why), Reach(names, why))
        clock = short_clock(now, followed.site.time_zone)
        group.places.append(Place(followed.site, clock))
    return sorted(found.values(), key=lambda group: (bool(group.names), group.names, group.why))


def _first_of(
    network: Network,
    followed: Followed,
    on_call: dict[str, int | None],
    severity: str,
    now: datetime,
) -> tuple[str, str]:
    version, steps, site = followed.version, followed.steps, followed.site
    if version is None:
        return "", "no policy is chosen for the site"
    if not steps:
        return "", f"{version} cannot be read; publish it anew"
    facts = facts_about(steps, severity=severity, time_zone=site.time_zone)
    is_open = False
    place = {"step_index": 0, "rounds_left": version.repeat}
    for decision in once_around(steps, **place, now=now, facts=facts):
        if decision.step is None:
            break
        is_open = True
        number = decision.step + 1
        people = _people(network, steps[decision.step], site, on_call)
        if people:
            return listed(people), f"{version}, step {number}"
        stand_in, title = _stand_in(network, site)
        if stand_in:
            why = f"{title}, because nobody of {version}, step {number}, can be reached"
            return stand_in, why
    if not is_open:
        return "", f"no step of {version} pages {severity} alerts at this hour"
    return "", f"nobody of {version} has a working contact"


def _people(
    network: Network, step: Step, site: Site, on_call: dict[str, int | None]
) -> Sequence[str]:
    ids: dict[int, None] = {}
    for word in step.notify:
        for owner_id in _ids(network, word, site, on_call):
            ids.setdefault(owner_id)
    return [network.names[owner_id] for owner_id in ids]


def _ids(network: Network, word: str, site: Site, on_call: dict[str, int | None]) -> Iterable[int]:
    kind, name = split_word(word)
    if kind == "contact":
        # One endpoint: it counts by itself, whatever else its owner has.
        works = int(name) in network.working_contacts
        return [network.contact_owners[int(name)]] if works else []
    if kind == "schedule":
        holder = on_call.get(name)
        return [holder] if holder in network.reachable and holder is not None else []
    meant = network.owners_of(word, site) & network.reachable
    return sorted(meant, key=lambda owner_id: network.names[owner_id])


def _stand_in(network: Network, site: Site) -> tuple[str, str]:
    if site.owner_id in network.reachable and site.owner_id is not None:
        return network.names[site.owner_id], "the site's owner"
    if network.catch_all_id in network.reachable and network.catch_all_id is not None:
        return network.names[network.catch_all_id], "the catch-all owner"
    return "", ""
