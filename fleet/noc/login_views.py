"""Logging in and out, and what a reader prefers."""

from __future__ import annotations

from math import ceil
from time import time

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from fleet.noc.demo_accounts import DEMO_ACCOUNTS
from fleet.noc.shell import BLINK_COOKIE, KEYS_COOKIE, THEME_COOKIE, THEMES

#: Wrong passwords before a wait, for one name from one address and for one address in all.
TRIES_PER_NAME, TRIES_PER_ADDRESS = 5, 50
WAIT_SECONDS = 15 * 60
_YEAR_SECONDS = 365 * 86_400


class WrongPasswords:
    """Counts the wrong passwords of one name from one address, and of the address in all.

    Kept in Django's cache: as shipped that is each process's own memory, so N processes allow
    N times as many and a restart forgets. That stops guessing, which is all it is for.
    """

    def __init__(self, *, name: str, address: str) -> None:
        self._name_key = f"login:{address}:{name.lower()}"[:200]
        self._address_key = f"login:{address}"
        self._limits = {self._name_key: TRIES_PER_NAME, self._address_key: TRIES_PER_ADDRESS}

    def wait_seconds(self) -> float:
        """Return how long this name has to wait from here; 0 when it may try."""
        waits = [0.0]
        for key, limit in self._limits.items():
            count, until = cache.get(key, (0, 0.0))
            if count >= limit:
                waits.append(until - time())
        return max(waits)

    def add(self) -> None:
        """Count one wrong password; the wait is measured from the last."""
        for key in self._limits:
            count, _ = cache.get(key, (0, 0.0))
            cache.set(key, (count + 1, time() + WAIT_SECONDS), WAIT_SECONDS)

    def forgive(self) -> None:
        """Forget the name's count after the right password."""
        cache.delete(self._name_key)


def _next_url(request: HttpRequest, default: str) -> str:
    """Return the address to go on to, when it is one of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else default


@login_not_required
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password, and let whoever knows them in."""
    if request.htmx:  # type: ignore[attr-defined]  # set by HtmxMiddleware
        return _whole_page(request)
    going_to = _next_url(request, reverse(settings.LOGIN_REDIRECT_URL))
    if request.user.is_authenticated:
        return HttpResponseRedirect(going_to)
    form = AuthenticationForm(request, data=request.POST or None)
    if request.method != "POST":
        return _login_page(request, form, going_to)
    tries = WrongPasswords(
        name=request.POST.get("username", ""), address=request.META.get("REMOTE_ADDR", "")
    )
    wait = tries.wait_seconds()
    if wait > 0:
        minutes = ceil(wait / 60)
        fault = (
            f"Too many wrong passwords for this name from here. Wait {minutes} min and try again, "
            "or ask an administrator to set a new password."
        )
        response = _login_page(request, form, going_to, fault=fault, status=429)
        response["Retry-After"] = str(ceil(wait))
        return response
    if not form.is_valid():
        tries.add()
        fault = "Name and password do not match. Check both; capital letters count in each."
        return _login_page(request, form, going_to, fault=fault, status=401)
    tries.forgive()
    login(request, form.get_user())
    return HttpResponseRedirect(going_to)


def _whole_page(request: HttpRequest) -> HttpResponse:
    """Send a page whose session has ended to the login page, rather than a login into a part."""
    here = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]  # as above
    return HttpResponseClientRedirect(f"{reverse('noc:login')}?{urlencode({'next': here})}")


def _login_page(
    request: HttpRequest,
    form: AuthenticationForm,
    going_to: str,
    *,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "next": going_to,
        "fault": fault,
        "accounts": DEMO_ACCOUNTS if settings.HEARTHWATCH_DEMO else [],
    }
    return render(request, "noc/login.html", context, status=status)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@require_http_methods(["GET", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Show, or keep in cookies for a year, how this reader wants the screen."""
    if request.method != "POST":
        return render(request, "noc/preferences.html")
    response = HttpResponseRedirect(_next_url(request, reverse("noc:preferences")))
    choices = {
        THEME_COOKIE: (request.POST.get("theme"), THEMES),
        KEYS_COOKIE: (request.POST.get("keys"), ("off",)),
        BLINK_COOKIE: (request.POST.get("blink"), ("off",)),
    }
    for cookie, (chosen, kept) in choices.items():
        if chosen in kept:
            response.set_cookie(
                cookie,
                chosen,
                max_age=_YEAR_SECONDS,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )
        elif chosen is not None:
            response.delete_cookie(cookie, samesite="Lax")
    return response
