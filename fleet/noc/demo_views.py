"""What the demo's pager received; only there in demo mode."""

from __future__ import annotations

import json
from collections import deque
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

_SHOWN = 100


def demo_pager(request: HttpRequest) -> HttpResponse:
    """Show the newest pages first: who, why, signature verified or not, when."""
    if not settings.HEARTHWATCH_DEMO:
        raise Http404("There is a pager to look at only in the demo.")
    template = "noc/_demo_pages.html" if request.htmx else "noc/demo_pager.html"  # type: ignore[attr-defined]  # set by HtmxMiddleware
    return render(request, template, {"pages": received_pages()})


def received_pages() -> list[dict[str, Any]]:
    """Return the newest received pages, newest first."""
    path = settings.HEARTHWATCH_HOME / "demo" / "pages.jsonl"
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in deque(lines, maxlen=_SHOWN)]
    return [_row(entry) for entry in reversed(entries)]


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    data = entry["body"].get("data", {})
    return {
        "received_at": datetime.fromisoformat(entry["received_at"]),
        "is_verified": entry["verified"],
        "verdict": entry["verdict"],
        "webhook_id": entry["webhook_id"],
        "alert": data.get("alert", {}),
        "site": data.get("site", {}),
        "owner": data.get("owner", {}),
        "page": data.get("page", {}),
        "runbook": data.get("runbook", {}),
        "next": data.get("next") or {},
    }
