"""What a real browser's service worker says by itself: it showed a page, it subscribed anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page as Tab
from playwright.sync_api import Worker
from pytest_django import Settings

from fleet.models import Contact
from runbooks.models import Page
from runbooks.paging.contacts import send_test_page
from runbooks.paging.links import Act, token_for
from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere
from tests.browser.test_push import push, registered
from tests.factories import make_contact, make_owner, make_site, make_user
from tests.push_browser import PushBrowser, set_up_web_push
from tests.receiver import Receiver, status
from tests.runbooks.world import make_alert, make_library, queue_page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: What the worker asks of the server goes there all the same; the answer is noted besides.
NOTE_ANSWERS = """() => {
  const ask = self.fetch;
  self.answered = new Promise((resolve) => {
    self.fetch = async (url, options) => {
      const answer = await ask(url, options);
      resolve({ url, status: answer.status, body: await answer.clone().json() });
      return answer;
    };
  });
}"""
#: The push service is elsewhere, and no test reaches it: the browser says that it changed.
RENEWED = """async ([old, fresh]) => {
  const known = { endpoint: old.endpoint, auth: old.keys.auth, key: old.keys.p256dh };
  const cache = await caches.open("push");
  await cache.put("/push/subscription", new Response(JSON.stringify(known)));
  PushManager.prototype.subscribe = async (options) => ({
    options: { applicationServerKey: options.applicationServerKey }, toJSON: () => fresh });
  // As browsers do that say neither what it was nor what it is now.
  self.dispatchEvent(new ExtendableEvent("pushsubscriptionchange"));
  const answer = await self.answered;
  let kept = known;
  while (kept.endpoint !== fresh.endpoint) {
    await new Promise((go) => setTimeout(go));
    kept = await (await caches.match("/push/subscription", { cacheName: "push" })).json();
  }
  return { status: answer.status, body: answer.body, kept };
}"""


def browsing(open_page: OpenPage, contact: Contact) -> tuple[Tab, Worker]:
    """Open Mei's own page with its service worker, whose answers are noted."""

    def prepare(tab: Tab) -> None:
        tab.context.grant_permissions(["notifications"])

    address = reverse("noc:contact", args=[contact.owner_id])
    tab = open_page(contact.owner.user, address, before=prepare)
    registered(tab)
    worker = tab.context.service_workers[0]
    worker.evaluate(NOTE_ANSWERS)
    return tab, worker


def make_browser_contact(browser: PushBrowser) -> Contact:
    owner = make_owner(name="Mei Tanaka", user=make_user("owner"))
    return make_contact(
        owner=owner, kind="web_push", label="laptop", url=browser.endpoint, secret=browser.secret
    )


def make_sent_page(contact: Contact) -> Page:
    now = datetime.now(UTC)
    make_library()
    page = queue_page(
        alert=make_alert(site=make_site(owner=contact.owner), now=now),
        owner=contact.owner,
        contact=contact,
        sequence=1,
        step_index=0,
        reason="step 1 of Europe",
        give_up_at=now,
        now=now,
    )
    Page.objects.filter(pk=page.pk).update(state="sent", sent_at=now, receipt="queued")
    return page


def test_the_server_learns_of_a_page_once_it_is_shown(
    open_page: OpenPage, transactional_db: None
) -> None:
    contact: Contact = elsewhere(lambda: make_browser_contact(PushBrowser()))
    sent: Page = elsewhere(lambda: make_sent_page(contact))
    token = elsewhere(lambda: token_for(sent, at=datetime.now(UTC), act=Act.SHOWN))
    tab, worker = browsing(open_page, contact)
    shown_url = f"https://elsewhere.example/p/{token}/shown/"
    said = {"title": "Urgent", "url": "/", "shown_url": shown_url}
    push(tab, json.dumps(said))
    answer: Any = worker.evaluate("() => self.answered")
    assert (answer["status"], answer["body"]) == (200, {"recorded": 1})
    assert elsewhere(lambda: Page.objects.get(pk=sent.pk).receipt) == "delivered"


def pushed_test_page(contact: Contact) -> str:
    """Send the contact a test page, and return what its push service was given for the browser."""
    with Receiver() as receiver:
        receiver.answers(status(201))
        browser = PushBrowser(receiver.url)
        Contact.objects.filter(pk=contact.pk).update(url=browser.endpoint, tested_at=None)
        send_test_page(contact=contact, by=None, now=datetime.now(UTC))
        return json.dumps(browser.read(receiver.requests[0].body))


def test_a_browser_counts_once_it_has_shown_its_test_page(
    open_page: OpenPage, transactional_db: None, settings: Settings
) -> None:
    set_up_web_push(settings)
    contact: Contact = elsewhere(lambda: make_browser_contact(PushBrowser()))
    said: str = elsewhere(lambda: pushed_test_page(contact))
    assert elsewhere(lambda: Contact.objects.get(pk=contact.pk).tested_at) is None
    tab, worker = browsing(open_page, contact)
    push(tab, said)
    answer: Any = worker.evaluate("() => self.answered")
    assert (answer["status"], answer["body"]) == (200, {"recorded": 1})
    assert elsewhere(lambda: Contact.objects.get(pk=contact.pk).tested_at) is not None


def test_a_subscription_that_the_browser_changed_by_itself_is_told_and_kept(
    open_page: OpenPage, transactional_db: None
) -> None:
    old, fresh = PushBrowser("https://127.0.0.1:9"), PushBrowser("https://127.0.0.1:9", 777)
    contact: Contact = elsewhere(lambda: make_browser_contact(old))
    _, worker = browsing(open_page, contact)
    answer: Any = worker.evaluate(RENEWED, [old.subscription, fresh.subscription])
    # Nobody listens at that push service, so the new one does not count yet.
    assert (answer["status"], answer["body"]) == (200, {"counts": False})
    assert answer["kept"]["key"] == old.keys["p256dh"]
    waiting = elsewhere(lambda: Contact.objects.get(url=fresh.endpoint))
    assert json.loads(waiting.secret) == fresh.keys
