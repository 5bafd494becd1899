"""Inhibition rules: keep, switch on and off, drop. They count at every site.

Callers have checked, through `fleet.access`, that the person may change things everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import AuditEntry
from runbooks.models import InhibitionRule
from runbooks.suppression.errors import InhibitionError
from runbooks.suppression.matchers import Matcher, checked_matchers, write_matchers

LONGEST_NAME: Final = 120
MOST_EQUAL: Final = 10
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


@transaction.atomic
def set_rule(
    *,
    name: str,
    source_matchers: Sequence[Matcher],
    target_matchers: Sequence[Matcher],
    equal: Sequence[str],
    by: User | None,
    now: datetime,
) -> InhibitionRule:
    """Keep a rule under its name, in place of an earlier one, and switch it on.

    While an alert that fits the source side fires, those that fit the target side and agree with
    it in the labels `equal` page nobody, from the next cycle on. Raises InhibitionError and
    MatcherError, which change nothing.
    """
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise InhibitionError(
            "name_missing", f"Give the rule a name of 1 to {LONGEST_NAME} characters."
        )
    if len(equal) > MOST_EQUAL or not all(_LABEL.fullmatch(label) for label in equal):
        raise InhibitionError(
            "bad_label", f"Name at most {MOST_EQUAL} labels in which both must agree, as in site."
        )
    rule, _ = InhibitionRule.objects.update_or_create(
        name=name,
        defaults={
            "source_matchers": _written("source", source_matchers),
            "target_matchers": _written("target", target_matchers),
            "equal": list(dict.fromkeys(equal)),
            "is_enabled": True,
            "created_at": now,
            "created_by": by,
        },
    )
    _audit("inhibition.set", rule, by, now)
    return rule


@transaction.atomic
def switch_rule(*, rule: InhibitionRule, is_enabled: bool, by: User | None, now: datetime) -> None:
    """Switch a rule on or off; the next cycle follows."""
    changed = InhibitionRule.objects.filter(pk=rule.pk).exclude(is_enabled=is_enabled)
    if changed.update(is_enabled=is_enabled):
        _audit("inhibition.enabled" if is_enabled else "inhibition.disabled", rule, by, now)


@transaction.atomic
def remove_rule(*, rule: InhibitionRule, by: User | None, now: datetime) -> None:
    """Drop a rule; what it alone held back is let go in the next cycle."""
    _audit("inhibition.removed", rule, by, now)
    InhibitionRule.objects.filter(pk=rule.pk).delete()


def _written(side: str, matchers: Sequence[Matcher]) -> list[dict[str, str | bool]]:
    checked = checked_matchers(matchers)
    if all(matcher.fits({}) for matcher in checked):
        raise InhibitionError(
            "matches_everything",
            f"The {side} side fits every alert; name at least one value that is not empty.",
        )
    return write_matchers(checked)


def _audit(action: str, rule: InhibitionRule, by: User | None, now: datetime) -> None:
    AuditEntry.objects.create(at=now, actor=by, action=action, subject=f"rule {rule.name}"[:200])
