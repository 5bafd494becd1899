"""The door behind a QR code: whoever scans it takes the run on their device, without a login."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from fleet.secret_paths import secret_path
from runbooks.runs import batch
from runbooks.runs.errors import RunError
from runbooks.runs.log import name_of
from runbooks.runs.tokens import find_claim, refuse_invalid, take_claim
from runbooks.tablet.door import body_of, door

_MOST_BYTES = 2048


@secret_path("/r/-")
@door("GET", "HEAD", "POST")
def run_claim(request: HttpRequest, claim: str) -> HttpResponse:
    """Say whose run it is; a POST with a device's id takes it, a mere visit never does."""
    now = timezone.now()
    if request.method != "POST":
        return JsonResponse(_shown(claim))
    too_large = RunError("body_too_large", "Send the device's id and nothing else.")
    body = body_of(request, most=_MOST_BYTES, refuse=too_large)
    device_id = batch.read_device(batch.read_json(body))
    issued = take_claim(text=claim, device_id=device_id, now=now)
    token = issued.token
    answer = {
        "token": issued.text,
        "expires_at": token.expires_at.isoformat(),
        "run": token.run_id,
    }
    return JsonResponse(answer)


def _shown(text: str) -> dict[str, object]:
    claim = find_claim(text=text)
    refuse_invalid(claim, now=timezone.now())
    run = claim.run
    return {
        "run": run.pk,
        "site": run.site.name,
        "runbook": run.runbook_version.runbook.title,
        "for": name_of(claim.user) or None,
        "is_taken": bool(claim.device_id),
        "has_ended": run.state in run.ENDED,
    }
