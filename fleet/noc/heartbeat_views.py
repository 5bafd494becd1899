"""The door of heartbeats: whoever knows a key says with one request that a thing still lives."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from runbooks.heartbeats.services import note_heartbeat

METHODS = ("GET", "HEAD", "POST")


@csrf_exempt
@login_not_required
@never_cache
def heartbeat(request: HttpRequest, key: str) -> JsonResponse:
    """Note the heartbeat and answer when it would be late; a body is not read."""
    # Django logs the path of every request that is refused or fails.
    request.path = request.path_info = "/api/v1/heartbeat/-"
    if request.method not in METHODS:
        return _refusal(
            405, "method_not_allowed", "A heartbeat is a GET, HEAD or POST; send one of these."
        )
    noted = note_heartbeat(key=key, now=timezone.now())
    if noted is None:
        return _refusal(
            404,
            "unknown_heartbeat",
            "No heartbeat has this key, or it was revoked; make one on the page of heartbeats, or "
            "with manage.py create_heartbeat.",
        )
    return JsonResponse({"ok": True, "name": noted.name, "late_at": noted.late_at.isoformat()})


def _refusal(status: int, code: str, message: str) -> JsonResponse:
    answer = JsonResponse({"code": code, "message": message}, status=status)
    if status == 405:
        answer["Allow"] = ", ".join(METHODS)
    return answer
