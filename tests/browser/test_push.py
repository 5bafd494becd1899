"""Paging in a real browser: asking, subscribing, showing what was pushed, leading to the alert."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Worker, expect

from fleet.models import Contact, Owner
from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere
from tests.factories import make_owner, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: The push service is elsewhere, and no test reaches it: in its place stands what it answers.
SUBSCRIBES = """
PushManager.prototype.getSubscription = async () => null;
PushManager.prototype.subscribe = async (options) => {
  document.documentElement.dataset.key = String(options.applicationServerKey);
  return { toJSON: () => ({ endpoint: "https://127.0.0.1:9/push/1", keys: KEYS }) };
};
"""
FAILS = (
    "PushManager.prototype.subscribe = async () => { throw new DOMException('', 'AbortError'); }"
)
KEYS = {
    # The curve's own base point, so that it is one.
    "p256dh": "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4"
    "af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    "auth": "c2l4dGVlbiBieXRlcyBvaw",
}


@pytest.fixture
def mei(transactional_db: None) -> Owner:
    def make() -> Owner:
        return make_owner(name="Mei Tanaka", user=make_user("owner"))

    owner: Owner = elsewhere(make)
    return owner


def open_own_page(open_page: OpenPage, mei: Owner, script: str = "", *, allowed: bool) -> Page:
    def prepare(page: Page) -> None:
        page.add_init_script(script.replace("KEYS", json.dumps(KEYS)))
        page.context.grant_permissions(["notifications"] if allowed else [])

    return open_page(mei.user, reverse("noc:contact", args=[mei.pk]), before=prepare)


def test_one_press_makes_this_browser_an_untested_contact(open_page: OpenPage, mei: Owner) -> None:
    page = open_own_page(open_page, mei, SUBSCRIBES, allowed=True)
    page.get_by_label("Name").first.fill("my laptop")
    page.get_by_role("button", name="Page me in this browser").click()
    expect(page.get_by_text("my laptop is subscribed.")).to_be_visible()
    expect(page.locator("#browser-said")).to_have_text("This browser is here already: my laptop.")
    contact = elsewhere(lambda: Contact.objects.get(owner=mei))
    assert (contact.kind, contact.tested_at) == ("web_push", None)
    assert json.loads(contact.secret) == KEYS


def test_pressed_again_it_is_the_same_contact(open_page: OpenPage, mei: Owner) -> None:
    page = open_own_page(open_page, mei, SUBSCRIBES, allowed=True)
    page.get_by_label("Name").first.fill("my laptop")
    page.get_by_role("button", name="Page me in this browser").click()
    again = page.get_by_role("button", name="Subscribe anew")
    expect(again).to_be_visible()
    # What is said the second time is said already: the page is loaded anew once it is done.
    with page.expect_navigation():
        again.click()
    expect(page.get_by_text("my laptop is subscribed.")).to_be_visible()
    assert elsewhere(lambda: Contact.objects.get(owner=mei).label) == "my laptop"


def test_a_browser_that_refuses_says_how_to_allow_it(open_page: OpenPage, mei: Owner) -> None:
    page = open_own_page(open_page, mei, SUBSCRIBES, allowed=False)
    page.get_by_role("button", name="Page me in this browser").click()
    expect(page.locator("#browser-said")).to_contain_text("Allow them in its settings")
    assert not elsewhere(lambda: Contact.objects.exists())


def test_a_push_service_out_of_reach_is_told(open_page: OpenPage, mei: Owner) -> None:
    page = open_own_page(open_page, mei, FAILS, allowed=True)
    page.get_by_role("button", name="Page me in this browser").click()
    expect(page.locator("#browser-said")).to_contain_text("push service could not be reached")
    expect(page.get_by_role("button", name="Page me in this browser")).to_be_enabled()


#: Notes when the notification has been shown.
NOTE_SHOWN = """() => {
  const show = ServiceWorkerRegistration.prototype.showNotification;
  self.shown = new Promise((resolve) => {
    ServiceWorkerRegistration.prototype.showNotification = async function (...said) {
      await show.apply(this, said);
      resolve();
    };
  });
}"""


def registered(page: Page) -> None:
    """Have the browser start the service worker, and wait until it serves."""
    page.evaluate("navigator.serviceWorker.register('/sw.js', { scope: '/' })")
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")


def push(page: Page, text: str) -> Worker:
    """Have the browser give its service worker a message as its push service would."""
    registered(page)
    line = page.context.new_cdp_session(page)
    known: list[Any] = []
    line.on(
        "ServiceWorker.workerRegistrationUpdated", lambda said: known.extend(said["registrations"])
    )
    line.send("ServiceWorker.enable")
    page.wait_for_function("() => navigator.serviceWorker.ready.then(() => true)")
    origin = page.evaluate("location.origin")
    number = known[-1]["registrationId"]
    worker = page.context.service_workers[0]
    worker.evaluate(NOTE_SHOWN)
    line.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": origin, "registrationId": number, "data": text},
    )
    # Not asked of the browser meanwhile: it forgets what is being shown just when it is asked.
    worker.evaluate("() => self.shown")
    return worker


SHOWN = """async () => {
  const registration = await navigator.serviceWorker.ready;
  let one;
  while (!one) {
    [one] = await registration.getNotifications();
    if (!one) await new Promise(requestAnimationFrame);
  }
  return { title: one.title, body: one.body, tag: one.tag, stays: one.requireInteraction,
           actions: one.actions.map((action) => action.action), data: one.data };
}"""
#: A press that a script makes may open no window: what would be opened is returned instead.
PRESS = """(action) => new Promise(async (resolve) => {
  Clients.prototype.openWindow = async (url) => resolve(url);
  Clients.prototype.matchAll = async () => [];
  const [notification] = await self.registration.getNotifications();
  self.dispatchEvent(new NotificationEvent("notificationclick", { notification, action }));
})"""


def test_a_page_that_is_pushed_is_shown_and_leads_to_its_alert(
    open_page: OpenPage, mei: Owner
) -> None:
    page = open_own_page(open_page, mei, allowed=True)
    said = {
        "title": "Urgent: Inlet 38.4 °C",
        "body": "Paged: Mei Tanaka.",
        "url": "https://elsewhere.example/alerts/12/",
        "acknowledge_url": "https://elsewhere.example/p/abc/",
        "tag": "alert-12",
    }
    worker = push(page, json.dumps(said))
    origin = page.evaluate("location.origin")
    assert page.evaluate(SHOWN) == {
        "title": "Urgent: Inlet 38.4 °C",
        "body": "Paged: Mei Tanaka.",
        "tag": "alert-12",
        "stays": True,
        "actions": ["acknowledge"],
        # Whatever an address says, it leads to this server.
        "data": {"url": f"{origin}/alerts/12/", "acknowledge": f"{origin}/p/abc/"},
    }
    assert worker.evaluate(PRESS, "") == f"{origin}/alerts/12/"


def test_the_button_of_a_notification_leads_to_where_one_acknowledges(
    open_page: OpenPage, mei: Owner
) -> None:
    page = open_own_page(open_page, mei, allowed=True)
    said = {"title": "Urgent", "url": "/alerts/12/", "acknowledge_url": "/p/abc/", "tag": "a"}
    worker = push(page, json.dumps(said))
    assert worker.evaluate(PRESS, "acknowledge").endswith("/p/abc/")


def test_a_page_that_cannot_be_read_is_shown_all_the_same(open_page: OpenPage, mei: Owner) -> None:
    page = open_own_page(open_page, mei, allowed=True)
    push(page, "{")
    assert page.evaluate(SHOWN)["title"] == "Hearthwatch"
