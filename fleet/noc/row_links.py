"""Where the many rows and cells of a page lead: no address is resolved twice, which is slow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.urls import reverse

from runbooks.models import Alert

#: Stands for the number or the name that an address is of; no other part of one looks like it.
_NUMBER, _NAME = 987654321987, "name-of-this-one"


@dataclass(frozen=True, slots=True)
class RowLinks:
    """The addresses that one alert's row leads to or sends its forms to."""

    alert: str
    row: str
    acknowledge: str
    site: str
    node: str
    runbook: str


def links_of(alert: Alert) -> RowLinks:
    """Return the addresses of a row whose site, node and runbook have been read."""
    edition = alert.runbook_version
    return RowLinks(
        alert=_numbered("noc:alert", alert.pk),
        row=_numbered("noc:alert-row", alert.pk),
        acknowledge=_numbered("noc:alert-acknowledge", alert.pk),
        site=site_address(alert.site.slug),
        node=_numbered("noc:node", alert.node_id) if alert.node_id else "",
        runbook=f"{_named('noc:runbook', edition.runbook.slug)}?v={edition.number}",
    )


def site_address(slug: str) -> str:
    """Return where a site's page is."""
    return _named("noc:site", slug)


def _numbered(view: str, number: int) -> str:
    return _pattern_of(view, _NUMBER).replace(str(_NUMBER), str(number))


def _named(view: str, name: str) -> str:
    return _pattern_of(view, _NAME).replace(_NAME, name)


@cache
def _pattern_of(view: str, hole: int | str) -> str:
    return reverse(view, args=[hole])
