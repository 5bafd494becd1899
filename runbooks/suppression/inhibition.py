"""Which alerts follow from which others, by topology and by rule.

As in Alertmanager, an alert that fires holds others back whatever people do with it, and an alert
that fits both sides of a rule is not held back by another that fits both. Beyond it: where alerts
would hold each other back in a circle, the worst of them, and of equals the oldest, stays heard.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from runbooks.models import Alert, InhibitionRule, Suppression
from runbooks.paging.timeline import clip
from runbooks.suppression.causes import Hold, Subject, open_alerts
from runbooks.suppression.errors import SuppressionError
from runbooks.suppression.matchers import Matcher, matches, read_matchers
from telemetry.models import Finding

logger = logging.getLogger(__name__)

Kind = Finding.Kind

_MOST_SOURCES_AT_BIRTH: Final = 300
#: Alerts that opened so shortly before a storm of their kind are its first drops.
_BEFORE_A_STORM: Final = timedelta(seconds=60)

#: A site gone dark does not explain heat or a lost supply: they may be why it went dark. Nor
#: what others watch: they see it by another way.
NOT_EXPLAINED_BY_DARKNESS: Final = frozenset(
    {Kind.SITE_DARK, Kind.THERMAL_ENVELOPE, Kind.POWER_BATTERY, Kind.EXTERNAL_ALERT}
)

#: Findings, and their alerts, from which others follow by the shape of the fleet.
EXPLAINS_OTHERS: Final = Q(kind=Kind.SITE_DARK) | Q(kind=Kind.HEARTBEAT_LATE, node__isnull=True)
#: Only among findings of these kinds there are such.
KINDS_THAT_EXPLAIN: Final = frozenset({Kind.SITE_DARK, Kind.HEARTBEAT_LATE})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to apply."""

    name: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


@dataclass(slots=True)
class Link:
    """Alerts that fire, and those that follow from any of them."""

    why: str
    sources: list[Subject] = field(default_factory=list)
    targets: list[Subject] = field(default_factory=list)


def enabled_rules() -> list[Rule]:
    """Return the rules in force; one that cannot be read is logged and holds nothing back."""
    rules = []
    for row in InhibitionRule.objects.filter(is_enabled=True):
        try:
            source, target = read_matchers(row.source_matchers), read_matchers(row.target_matchers)
        except SuppressionError:
            logger.exception("suppression.unreadable", extra={"row": row.name})
            continue
        rules.append(Rule(row.name, source, target, tuple(str(name) for name in row.equal)))
    return rules


def inhibitions(subjects: Sequence[Subject], rules: Iterable[Rule]) -> dict[int, list[Hold]]:
    """Return for each alert that follows from others what holds it back, by the alert's id."""
    links = [
        link
        for link in (*_topology(subjects), *_by_storms(subjects), *_by_rules(subjects, rules))
        if link.sources and link.targets
    ]
    heard = _heard(links)
    found: dict[int, dict[str, Hold]] = defaultdict(dict)
    for link in links:
        # One that is heard, where there is one: somebody is told of it.
        first, *others = sorted(link.sources, key=lambda s: (s.alert_id not in heard, _order(s)))[
            :2
        ]
        hold = _hold(link, first)
        other = [_hold(link, source) for source in others]
        for target in link.targets:
            if target.alert_id in heard:
                continue
            for chosen in other if target.alert_id == first.alert_id else [hold]:
                found[target.alert_id].setdefault(chosen.source, chosen)
    return {alert_id: list(holds.values()) for alert_id, holds in found.items()}


def _hold(link: Link, cause: Subject) -> Hold:
    return Hold(
        kind=Suppression.Kind.INHIBITED,
        source=f"alert {cause.alert_id}",
        reason=clip(f"{link.why}: A-{cause.alert_id} {cause.summary}", 300),
        inhibited_by_id=cause.alert_id,
    )


def topological_sources() -> QuerySet[Alert]:
    """Return the alerts from which, by the shape of the fleet, others follow."""
    firing = open_alerts().filter(condition=Alert.Condition.FIRING)
    return firing.filter(EXPLAINS_OTHERS | Q(is_storm=True))


def possible_sources_of(subjects: Sequence[Subject], rules: Sequence[Rule]) -> QuerySet[Alert]:
    """Return the alerts that may hold these new ones back; `rules` are those with a target here.

    Narrowed where the database can tell, and never more than the worst few hundred for one: a
    birth must stay cheap in a storm, and the cycle looks at all of them before anybody is paged.
    """
    sites = {site for subject in subjects for site in (subject.site_id, subject.parent_site_id)}
    wanted = Q(pk__in=topological_sources().filter(site__in=sites - {None}).values("pk"))
    for subject in subjects:
        for rule in rules:
            if matches(rule.target, subject.labels):
                wanted |= _narrowed(rule, subject)
    firing = open_alerts().filter(wanted, condition=Alert.Condition.FIRING)
    others = firing.exclude(pk__in=[subject.alert_id for subject in subjects])
    worst = others.order_by("severity", "opened_at", "pk").values_list("pk", flat=True)
    return Alert.objects.filter(pk__in=list(worst[: _MOST_SOURCES_AT_BIRTH * len(subjects)]))


def _narrowed(rule: Rule, subject: Subject) -> Q:
    """Return what the database can tell of a rule's sources: labels that are always ours."""
    wanted = Q(condition=Alert.Condition.FIRING)
    if "site" in rule.equal:
        wanted &= Q(site=subject.site_id)
    if "kind" in rule.equal:
        wanted &= Q(kind=subject.kind)
    for matcher in rule.source:
        if matcher.is_equal and not matcher.is_regex and matcher.name in ("kind", "site"):
            wanted &= Q(**{"kind" if matcher.name == "kind" else "site__slug": matcher.value})
    return wanted


def _is_topological_source(subject: Subject) -> bool:
    is_site_wide = subject.node_id is None and subject.kind == Kind.HEARTBEAT_LATE
    return subject.is_firing and (subject.kind == Kind.SITE_DARK or is_site_wide)


def _topology(subjects: Sequence[Subject]) -> Iterator[Link]:
    """Yield a link for each dark site and each site-wide heartbeat that is late."""
    dark: dict[int, Link] = {}
    late: dict[int, Link] = {}
    for subject in filter(_is_topological_source, subjects):
        is_dark = subject.kind == Kind.SITE_DARK
        links, why = (
            (dark, "The site is dark") if is_dark else (late, "The site's heartbeat is late")
        )
        links.setdefault(subject.site_id, Link(why)).sources.append(subject)
    if not dark and not late:
        return
    hubs = {
        site_id: Link("The site it hangs on is dark", link.sources)
        for site_id, link in dark.items()
    }
    for subject in subjects:
        if subject.kind == Kind.SITE_DARK and subject.parent_site_id in hubs:
            hubs[subject.parent_site_id].targets.append(subject)
        if subject.site_id in dark and _is_explained_by_darkness(subject):
            dark[subject.site_id].targets.append(subject)
        is_heartbeat = subject.kind == Kind.HEARTBEAT_LATE and subject.node_id is not None
        if subject.site_id in late and is_heartbeat:
            late[subject.site_id].targets.append(subject)
    yield from (*dark.values(), *hubs.values(), *late.values())


def _by_storms(subjects: Sequence[Subject]) -> Iterator[Link]:
    """Yield a link for each storm to the alerts of its kind that opened just before it.

    What is worse than the storm stays heard, and so does what opens once the storm is over.
    """
    storms = {
        _lot(subject): subject for subject in subjects if subject.is_storm and subject.is_firing
    }
    links = {key: Link("It is part of a storm", [storm]) for key, storm in storms.items()}
    for subject in subjects:
        storm = storms.get(_lot(subject))
        if storm is None or subject.is_storm or subject.severity < storm.severity:
            continue
        if storm.opened_at - _BEFORE_A_STORM <= subject.opened_at <= storm.opened_at:
            links[_lot(subject)].targets.append(subject)
    yield from links.values()


def _lot(subject: Subject) -> tuple[int, str, str]:
    """Return what it has in common with the storm it would belong to."""
    is_told_apart = subject.kind == Kind.EXTERNAL_ALERT
    return subject.site_id, subject.kind, subject.labels["alertname"] if is_told_apart else ""


def _is_explained_by_darkness(subject: Subject) -> bool:
    is_of_nodes = subject.node_id is not None or subject.is_storm
    return is_of_nodes and subject.kind not in NOT_EXPLAINED_BY_DARKNESS


def _by_rules(subjects: Sequence[Subject], rules: Iterable[Rule]) -> Iterator[Link]:
    """Yield the links of each rule, for each combination of the labels that must agree.

    Two each: from all sources to those that fit the target side alone, and from those that fit
    the source side alone to those that fit both.
    """
    for rule in rules:
        one_sided: dict[tuple[str, ...], Link] = {}
        two_sided: dict[tuple[str, ...], Link] = {}
        for subject in subjects:
            is_source = subject.is_firing and matches(rule.source, subject.labels)
            is_target = matches(rule.target, subject.labels)
            if not is_source and not is_target:
                continue
            key = tuple(subject.labels.get(name, "") for name in rule.equal)
            why = f"Rule {rule.name}"
            single = one_sided.setdefault(key, Link(why))
            double = two_sided.setdefault(key, Link(why))
            if is_source:
                single.sources.append(subject)
                (double.targets if is_target else double.sources).append(subject)
            else:
                single.targets.append(subject)
        yield from (*one_sided.values(), *two_sided.values())


def _heard(links: Sequence[Link]) -> set[int]:
    """Return the alerts that are not held back, so that each chain begins with one that is."""
    ways_on: Mapping[int, list[Link]] = _links_by_source(links)
    targets = {target.alert_id: target for link in links for target in link.targets}
    heard = {source.alert_id for link in links for source in link.sources} - set(targets)
    explained = _follow(heard, ways_on)
    # What is left hangs on nothing but itself: circles. One of each is heard.
    for target in sorted(targets.values(), key=_order):
        if target.alert_id not in explained:
            heard.add(target.alert_id)
            explained |= _follow({target.alert_id}, ways_on) | {target.alert_id}
    return heard


def _links_by_source(links: Sequence[Link]) -> dict[int, list[Link]]:
    ways_on: dict[int, list[Link]] = defaultdict(list)
    for link in links:
        for source in link.sources:
            ways_on[source.alert_id].append(link)
    return ways_on


def _follow(begin: set[int], ways_on: Mapping[int, list[Link]]) -> set[int]:
    """Return every alert that follows from these, directly or not."""
    todo, reached, seen = list(begin), set[int](), set[int]()
    while todo:
        for link in ways_on.get(todo.pop(), ()):
            if id(link) in seen:
                continue
            seen.add(id(link))
            for target in link.targets:
                if target.alert_id not in reached:
                    reached.add(target.alert_id)
                    todo.append(target.alert_id)
    return reached


def _order(subject: Subject) -> tuple[int, datetime, int]:
    return (subject.severity, subject.opened_at, subject.alert_id)
