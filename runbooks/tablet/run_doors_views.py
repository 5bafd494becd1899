"""The JSON doors of runs: packs, keys, entries, photos, changes. No rule lives here."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from fleet.access import Action
from runbooks.models import RunbookMedia
from runbooks.runs import batch, photos
from runbooks.runs.errors import RunError
from runbooks.runs.late_photos import take_in_photo
from runbooks.runs.pack import changes_of, pack_of, picture_digests
from runbooks.runs.presence import LONGEST_STEP, note_presence, presence_json, present
from runbooks.runs.selectors import run_by_token, run_for
from runbooks.runs.sync import Receipt, take_in_batch
from runbooks.runs.tokens import issue_token
from runbooks.tablet.door import body_of, caller_of, door, session_door, user_of

_HIGHEST_ID = 2**63 - 1


@session_door("POST")
def run_token(request: HttpRequest, run_id: int) -> HttpResponse:
    """Give a device of somebody who is logged in the key to one run; shown once."""
    user = user_of(request)
    run = run_for(user, run_id, Action.RUN)
    device_id = batch.read_device(batch.read_json(_body(request)))
    issued = issue_token(run=run, user=user, device_id=device_id, now=timezone.now())
    answer = {"token": issued.text, "expires_at": issued.token.expires_at.isoformat()}
    return JsonResponse(answer, status=201)


@door("GET", "HEAD")
def run_pack(request: HttpRequest, run_id: int) -> HttpResponse:
    """Tell everything a device needs to carry the run."""
    caller = caller_of(request, run_id)
    language = request.GET.get("language", "")[:35]
    now = timezone.now()
    return JsonResponse(pack_of(run=caller.run, me=caller.user, now=now, language=language))


@door("GET", "HEAD")
def run_changes(request: HttpRequest, run_id: int) -> HttpResponse:
    """Tell what is new since an entry, and who else is on the run; `step` says where one is."""
    caller, now = caller_of(request, run_id), timezone.now()
    since = request.GET.get("since", "0")
    if not (since.isascii() and since.isdecimal() and int(since[:19]) <= _HIGHEST_ID):
        raise RunError("bad_since", "'since' is the id of an entry, 0 for all of them.")
    answer = changes_of(run=caller.run, since=int(since[:19]), now=now)
    if request.method == "GET" and "step" in request.GET:
        me = note_presence(
            run=caller.run,
            device_id=caller.token.device_id if caller.token else "",
            user=caller.user,
            step_id=request.GET["step"][:LONGEST_STEP],
            now=now,
        )
        answer["others"] = presence_json(present(run=caller.run, now=now, but=me))
    return JsonResponse(answer)


@door("POST")
def run_entries(request: HttpRequest, run_id: int) -> HttpResponse:
    """Take in a batch of entries, and tell which of them the device may forget."""
    now = timezone.now()
    caller = caller_of(request, run_id, must_be_valid=False)
    if caller.token is None:
        raise RunError(
            "token_missing", "Entries come with the run's key; get one at /runs/<id>/token/."
        )
    sent = batch.read_batch(batch.read_json(_body(request)))
    receipt = take_in_batch(
        run=caller.run, token=caller.token, secret=caller.secret, batch=sent, now=now
    )
    answer = _told(receipt) | {"server_time": now.isoformat(), "run": None, "entries": []}
    run = run_by_token(run_id)
    if receipt.may_read and run is not None:
        answer |= changes_of(run=run, since=sent.since, now=now)
    return JsonResponse(answer)


@door("GET", "HEAD", "PUT")
def run_photo(request: HttpRequest, run_id: int, sha256: str) -> HttpResponse:
    """Keep a photo under its hash, or show it."""
    if request.method == "PUT":
        return _keep_photo(request, run_id, sha256)
    caller = caller_of(request, run_id)
    photo = caller.run.photos.filter(sha256=sha256.replace("\0", "")).first()
    if photo is None:
        raise RunError("no_such_photo", f"R-{run_id} has no such photo; it may still come.")
    return _image(bytes(photo.data), photo.content_type)


@door("GET", "HEAD")
def run_picture(request: HttpRequest, run_id: int, sha256: str) -> HttpResponse:
    """Show a picture of the run's edition."""
    caller = caller_of(request, run_id)
    is_shown = sha256 in picture_digests(caller.run)
    picture = RunbookMedia.objects.filter(sha256=sha256).first() if is_shown else None
    if picture is None:
        raise RunError("no_such_photo", f"The edition of R-{run_id} shows no such picture.")
    return _image(bytes(picture.data), picture.content_type)


def _keep_photo(request: HttpRequest, run_id: int, sha256: str) -> HttpResponse:
    caller = caller_of(request, run_id, must_be_valid=False)
    if caller.token is None:
        raise RunError("token_missing", "Photos come with the run's key, as entries do.")
    data = body_of(request, most=photos.MOST_BYTES, refuse=photos.too_large())
    photo, is_new = take_in_photo(
        run=caller.run, token=caller.token, sha256=sha256, data=data, now=timezone.now()
    )
    return JsonResponse({"sha256": photo.sha256, "size": photo.size}, status=201 if is_new else 200)


def _told(receipt: Receipt) -> dict[str, object]:
    return {
        "kept": receipt.kept,
        "quarantined": [
            {"count": count, "code": refusal.code, "message": refusal.sentence}
            for count, refusal in receipt.quarantined
        ],
    }


def _body(request: HttpRequest) -> bytes:
    kilobytes = batch.MOST_BYTES // 1024
    too_large = RunError("body_too_large", f"At most {kilobytes} kB at once; send less.")
    return body_of(request, most=batch.MOST_BYTES, refuse=too_large)


def _image(data: bytes, content_type: str) -> HttpResponse:
    answer = HttpResponse(data, content_type=content_type)
    # Whatever a phone was made to send: it is shown as an image or not at all.
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Disposition"] = "inline"
    answer["Cache-Control"] = "private, max-age=604800, immutable"
    return answer
