"""Alertmanager's API v2, and the door for its webhooks: decode, call, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from fleet.access import Action, sites_where
from fleet.models import ApiToken
from fleet.noc.api_auth import api_view, body_of, refusal
from fleet.services.api_tokens import Scope
from runbooks.alertmanager.documents import (
    alert_documents,
    group_documents,
    silence_document,
    status_document,
)
from runbooks.alertmanager.intake import Intake, take_in_alerts
from runbooks.alertmanager.selectors import (
    Wanted,
    receivers_for,
    shown_alerts,
    shown_silence,
    shown_silences,
    silence_with,
)
from runbooks.alertmanager.silences import SilenceRefused, expire_silence, set_silence
from runbooks.alertmanager.wire import (
    Refusal,
    WireError,
    read_alerts,
    read_silence,
    read_webhook,
)
from runbooks.suppression.errors import MatcherError, SuppressionError
from runbooks.suppression.matchers import Matcher, parse_matchers, read_matchers

#: Read once: how long this process has been up.
_STARTED_AT = timezone.now()
_STATUS_OF = {
    "silence_not_found": 404,
    "silence_forbidden": 403,
    "silence_too_wide": 403,
}
#: An answer names so many refused alerts; a sender that gets all wrong needs no 10,000.
_NAMED_REFUSALS = 20


@api_view({"GET": Scope.READ_ALERTS, "POST": Scope.WRITE_ALERTS})
def alerts(request: HttpRequest, token: ApiToken) -> HttpResponse:
    """List the alerts that fire, or take alerts in as Prometheus sends them."""
    if request.method == "POST":
        return _take_alerts(request, token)
    return _list(request, token, alert_documents)


@api_view({"GET": Scope.READ_ALERTS})
def groups(request: HttpRequest, token: ApiToken) -> HttpResponse:
    """List the alerts that fire, by what is wrong and where."""
    return _list(request, token, group_documents)


@api_view({"POST": Scope.WRITE_ALERTS})
def webhook(request: HttpRequest, token: ApiToken) -> HttpResponse:
    """Take in one webhook request of Alertmanager, each of its alerts by itself."""
    try:
        said = read_webhook(body_of(request))
    except WireError as exc:
        return refusal(400, exc.code, str(exc))
    intake = take_in_alerts(
        said=said,
        sites=sites_where(token.user, Action.RESPOND),
        default_site=token.site,
        now=timezone.now(),
        is_webhook=True,
    )
    body: dict[str, Any] = {"taken": intake.taken, "left_out": said.left_out}
    if not intake.refused:
        return JsonResponse(body)
    body["code"] = "alerts_refused"
    body["message"] = f"{len(intake.refused)} alerts were not taken; `refused` says why."
    body["refused"] = [
        {"index": one.index, "code": one.code, "message": one.message}
        for one in intake.refused[:_NAMED_REFUSALS]
    ]
    return JsonResponse(body, status=422)


@api_view({"GET": Scope.READ_ALERTS, "POST": Scope.WRITE_SILENCES})
def silences(request: HttpRequest, token: ApiToken) -> HttpResponse:
    """List silences, or make or change one."""
    if request.method == "POST":
        return _set_silence(request, token)
    try:
        matchers = _matchers(request.GET.getlist("filter"))
    except MatcherError as exc:
        return _said(400, exc.code, str(exc))
    shown = shown_silences(user=token.user, matchers=matchers, now=timezone.now())
    return JsonResponse([silence_document(silence) for silence in shown], safe=False)


@api_view({"GET": Scope.READ_ALERTS, "DELETE": Scope.WRITE_SILENCES})
def silence(request: HttpRequest, token: ApiToken, silence_id: str) -> HttpResponse:
    """Show one silence, or end it."""
    now = timezone.now()
    try:
        key = UUID(silence_id)
    except ValueError:
        return _unreadable(422, "not_a_uuid", "silenceID in path must be of type uuid")
    if request.method == "DELETE":
        try:
            expire_silence(user=token.user, silence_id=key, now=now)
        except (SilenceRefused, SuppressionError) as exc:
            return _said(_STATUS_OF.get(exc.code, 400), exc.code, str(exc))
        return HttpResponse(status=200)
    found = silence_with(user=token.user, silence_id=key)
    if found is None:
        return _said(404, "silence_not_found", "silence not found")
    return JsonResponse(silence_document(shown_silence(found, now=now)))


@api_view({"GET": Scope.READ_ALERTS})
def status(request: HttpRequest, token: ApiToken) -> HttpResponse:
    """Say which Alertmanager's API this is, and since when this process is up."""
    document = status_document(receivers=receivers_for(token.user), started_at=_STARTED_AT)
    return JsonResponse(document)


@api_view({"GET": Scope.READ_ALERTS})
def receivers(request: HttpRequest, token: ApiToken) -> HttpResponse:
    """List the escalation policies: they are what receivers are elsewhere."""
    return JsonResponse([{"name": name} for name in receivers_for(token.user)], safe=False)


def _list(
    request: HttpRequest, token: ApiToken, write: Callable[..., list[dict[str, Any]]]
) -> HttpResponse:
    now = timezone.now()
    try:
        wanted = _wanted(request)
    except MatcherError as exc:
        return _said(400, exc.code, str(exc))
    shown = shown_alerts(user=token.user, wanted=wanted)
    return JsonResponse(write(shown, now=now), safe=False)


def _take_alerts(request: HttpRequest, token: ApiToken) -> HttpResponse:
    try:
        said = read_alerts(body_of(request))
    except WireError as exc:
        return _unreadable(400, exc.code, str(exc))
    intake = take_in_alerts(
        said=said,
        sites=sites_where(token.user, Action.RESPOND),
        default_site=token.site,
        now=timezone.now(),
    )
    if intake.refused:
        return _said(400, intake.refused[0].code, _spell(intake))
    return HttpResponse(status=200)


def _set_silence(request: HttpRequest, token: ApiToken) -> HttpResponse:
    try:
        made = set_silence(
            user=token.user,
            said=read_silence(body_of(request)),
            default_site=token.site,
            now=timezone.now(),
        )
    except WireError as exc:
        return _unreadable(400, exc.code, str(exc))
    except (SilenceRefused, SuppressionError) as exc:
        return _said(_STATUS_OF.get(exc.code, 400), exc.code, str(exc))
    return JsonResponse({"silenceID": str(made.pk)})


def _wanted(request: HttpRequest) -> Wanted:
    """Return what a query asks for; raises `MatcherError`."""
    receiver = request.GET.get("receiver", "")
    anchored = {"name": "receiver", "value": receiver, "is_regex": True, "is_equal": True}
    return Wanted(
        matchers=_matchers(request.GET.getlist("filter")),
        receiver=read_matchers([anchored]) if receiver else (),
        active=_flag(request, "active"),
        silenced=_flag(request, "silenced"),
        inhibited=_flag(request, "inhibited"),
        muted=_flag(request, "muted"),
    )


def _matchers(texts: Sequence[str]) -> tuple[Matcher, ...]:
    return tuple(matcher for text in texts if text.strip() for matcher in parse_matchers(text))


def _flag(request: HttpRequest, name: str) -> bool:
    return request.GET.get(name, "true").lower() in {"true", "t", "1", "yes", "on"}


def _spell(intake: Intake) -> str:
    named: Sequence[Refusal] = intake.refused[:_NAMED_REFUSALS]
    unnamed = len(intake.refused) - len(named)
    more = [f"and {unnamed} more"] if unnamed else []
    return "; ".join([*(one.message for one in named), *more])


def _said(status: int, code: str, sentence: str) -> HttpResponse:
    """Answer as Alertmanager does when it refuses what it could read: the sentence alone."""
    headers = {"Hearthwatch-Error": code}
    return JsonResponse(sentence, safe=False, status=status, headers=headers)


def _unreadable(status: int, code: str, sentence: str) -> HttpResponse:
    """Answer as Alertmanager does when it cannot read a request: the status once more inside."""
    body = {"code": status, "message": sentence}
    return JsonResponse(body, status=status, headers={"Hearthwatch-Error": code})
