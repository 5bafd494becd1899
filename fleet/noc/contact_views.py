"""The doors of the contacts' pages: look, add, change, test, switch, order, take away."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from fleet.access import account_of
from fleet.models import Contact, Owner
from fleet.noc.contact_board import people, person_board
from fleet.noc.live_pages import live_page
from fleet.noc.oncall_rights import owner_for, require_contacts, require_phone, require_view
from fleet.noc.whole_numbers import read_whole
from fleet.services.phones import PhoneError, set_phone
from runbooks.paging.contact_order import order_changed, prefer_contact
from runbooks.paging.contacts import (
    ContactError,
    add_contact,
    change_contact,
    contacts_of,
    remove_contact,
    rotate_secret,
    send_test_page,
    switch_contact,
)
from runbooks.paging.outcome import Fate, fate_of

#: Acts on one contact, by the last part of their address.
_ACTS = ("test", "change", "switch", "rotate", "remove", "earlier", "later")


@live_page
@require_GET
def contacts(request: HttpRequest) -> HttpResponse:
    """Everybody who can be paged, and whether their contacts work."""
    require_view(request.user)
    now = timezone.now()
    rows = people(request.user, now=now)
    unreachable = sum(not row.working for row in rows)
    context = {"people": rows, "unreachable": unreachable, "now": now}
    return render(request, "noc/contacts.html", context)


@live_page
@require_GET
def contact(request: HttpRequest, owner_id: int) -> HttpResponse:
    """One person's contacts."""
    require_view(request.user)
    return _show(request, owner_for(request.user, owner_id))


@live_page
@require_POST
def contact_add(request: HttpRequest, owner_id: int) -> HttpResponse:
    """Give somebody another contact; a webhook's secret is shown this once."""
    owner = owner_for(request.user, owner_id)
    require_contacts(request.user, owner)
    said = request.POST
    try:
        made = add_contact(
            owner=owner,
            kind=said.get("kind", ""),
            label=said.get("label", ""),
            url=said.get("url", ""),
            secret=said.get("secret", ""),
            by=account_of(request.user),
            now=timezone.now(),
        )
    except ContactError as refusal:
        return _show(request, owner, fault=refusal.sentence, act="add", status=422)
    if made.kind == Contact.Kind.WEBHOOK and not said.get("secret", "").strip():
        return _show(request, owner, act="add", secret=made.secret, secret_of=made)
    messages.success(request, "The contact is added. It counts once a test page got through.")
    return redirect("noc:contact", owner_id=owner.pk)


@live_page
@require_POST
def contact_phone(request: HttpRequest, owner_id: int) -> HttpResponse:
    """Say by which number people call somebody."""
    owner = owner_for(request.user, owner_id)
    require_phone(request.user, owner)
    phone, by = request.POST.get("phone", ""), account_of(request.user)
    try:
        set_phone(owner=owner, phone=phone, by=by, now=timezone.now())
    except PhoneError as refusal:
        return _show(request, owner, fault=refusal.sentence, act="phone", status=422)
    called = f"is called by {owner.phone}" if owner.phone else "has no number any more"
    messages.success(request, f"{owner.name} {called}.")
    return redirect("noc:contact", owner_id=owner.pk)


@never_cache
@require_POST
def contact_change(request: HttpRequest, owner_id: int, contact_id: int, act: str) -> HttpResponse:
    """Do what one contact's buttons ask."""
    owner = owner_for(request.user, owner_id)
    require_contacts(request.user, owner)
    found = contacts_of(owner).filter(pk=contact_id).first()
    if found is None or act not in _ACTS:
        raise Http404("There is no such contact any more.")
    now, by = timezone.now(), account_of(request.user)
    try:
        if act == "rotate":
            secret = rotate_secret(contact=found, by=by, now=now)
            return _show(request, owner, secret=secret, secret_of=found)
        if act == "test":
            _test(request, found, by=by, now=now)
        else:
            messages.success(request, _alter(request, found, act, by=by, now=now))
    except ContactError as refusal:
        status = 409 if refusal.code == "order_changed" else 422
        return _show(request, owner, fault=refusal.sentence, act=f"{act}-{found.pk}", status=status)
    return redirect("noc:contact", owner_id=owner.pk)


def _alter(request: HttpRequest, found: Contact, act: str, *, by: User, now: datetime) -> str:
    """Change the contact and return what came of it, as a sentence."""
    said = request.POST
    if act in ("earlier", "later"):
        return _move(request, found, act, by=by, now=now)
    if act == "remove":
        remove_contact(contact=found, by=by, now=now)
        return f"{found.label} is removed. Its deliveries stay in the log."
    if act == "switch":
        is_enabled = said.get("on") == "1"
        switch_contact(contact=found, is_enabled=is_enabled, by=by, now=now)
        return f"{found.label} is switched {'on' if is_enabled else 'off'}."
    changed = change_contact(
        contact=found,
        label=said.get("label") or None,
        # Left empty means as it is: what is in force is not shown, so it cannot be sent back.
        url=said.get("url", "").strip() or None,
        secret=said.get("secret", "").strip() or None,
        by=by,
        now=now,
    )
    if changed.pk != found.pk:
        return (
            f"{found.label} stays in force as it was. The new address takes over as soon as a "
            "test page got through to it: send one."
        )
    return f"{changed.label} is changed."


def _move(request: HttpRequest, found: Contact, act: str, *, by: User, now: datetime) -> str:
    """Let the contact change places with its neighbour as the page showed it."""
    number = read_whole(request.POST.get("neighbour", ""), digits=17)
    neighbour = Contact.objects.filter(owner=found.owner_id, pk=number or 0).first()
    if neighbour is None:
        raise order_changed()
    one, other = (found, neighbour) if act == "earlier" else (neighbour, found)
    prefer_contact(contact=one, over=other, by=by, now=now)
    return f"{one.label} is tried before {other.label}."


def _test(request: HttpRequest, found: Contact, *, by: User, now: datetime) -> None:
    answer = send_test_page(contact=found, by=by, now=now)
    if fate_of(answer) is Fate.SENT and found.kind == Contact.Kind.WEB_PUSH:
        messages.info(
            request,
            f"The push service took the test page. {found.label} counts once that browser shows "
            "it; reload this page then.",
        )
        return
    if fate_of(answer) is Fate.SENT:
        messages.success(
            request, f"The test page got through to {found.label} in {answer.duration_ms} ms."
        )
        return
    why = answer.error or f"it answered {answer.status}"
    messages.warning(request, f"The test page did not get through to {found.label}: {why}")


def _show(
    request: HttpRequest,
    owner: Owner,
    *,
    fault: str = "",
    act: str = "",
    secret: str = "",
    secret_of: Contact | None = None,
    status: int = 200,
) -> HttpResponse:
    now = timezone.now()
    context = {
        "board": person_board(user=request.user, owner=owner, now=now),
        "now": now,
        "fault": fault,
        "act": act,
        "said": request.POST,
        "secret": secret,
        "secret_of": secret_of,
    }
    return render(request, "noc/contact.html", context, status=status)
