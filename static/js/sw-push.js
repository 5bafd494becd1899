// What the service worker does with a page that was pushed: show it, say so, and lead to its alert.
// And where the browser changes its subscription by itself, the server is told the new one.
"use strict";

(function () {
  const UNREADABLE = { title: "Hearthwatch", body: "A page came that cannot be read. Look at the alerts.", url: "/alerts/" };
  /** Between one try to tell the server something and the next; a push is given a minute or so. */
  const PAUSES_MS = [0, 2000, 10000];
  const RENEW = "/api/v1/push/renew";
  /** Where this browser keeps what it was subscribed as; push.js writes there, too. */
  const KEPT = { cache: "push", name: "/push/subscription" };

  /** Return an address of this server; whatever else an address says is left out. */
  function here(url) {
    const { pathname, search } = new URL(url || "/", self.location.origin);
    return new URL(pathname + search, self.location.origin).href;
  }

  function read(event) {
    try {
      return event.data.json() ?? UNREADABLE;
    } catch {
      return UNREADABLE;
    }
  }

  async function lead(url) {
    const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const open = windows.find((one) => one.url === url);
    return open ? open.focus() : self.clients.openWindow(url);
  }

  /** POST until the server has answered for good; false where it has not after three tries. */
  async function tell(url, options = {}) {
    for (const pause of PAUSES_MS) {
      await new Promise((go) => { setTimeout(go, pause); });
      try {
        const { status } = await fetch(url, { method: "POST", credentials: "omit", ...options });
        if (status < 500 && status !== 429) return true;
      } catch {
        // No network just now.
      }
    }
    return false;
  }

  const textOf = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

  function recordOf(subscription) {
    const { endpoint, keys } = subscription.toJSON();
    const key = subscription.options.applicationServerKey;
    return { endpoint, auth: keys.auth, key: key && textOf(key) };
  }

  async function keep(subscription) {
    const cache = await caches.open(KEPT.cache);
    await cache.put(KEPT.name, new Response(JSON.stringify(recordOf(subscription))));
  }

  async function kept() {
    const found = await caches.match(KEPT.name, { cacheName: KEPT.cache });
    return found ? found.json() : null;
  }

  /** Keep what this browser is subscribed as; some browsers do not say it when they change it. */
  async function keepCurrent() {
    const subscription = await self.registration.pushManager.getSubscription();
    if (subscription) await keep(subscription);
  }

  async function show(page) {
    const options = {
      body: page.body,
      // It stays until somebody has looked; a later page of the same alert takes its place, aloud.
      requireInteraction: true,
      tag: page.tag || "",
      renotify: Boolean(page.tag),
      data: { url: here(page.url), acknowledge: page.acknowledge_url ? here(page.acknowledge_url) : "" },
      actions: page.acknowledge_url ? [{ action: "acknowledge", title: "Acknowledge" }] : [],
    };
    await self.registration.showNotification(page.title || UNREADABLE.title, options);
    // Only now: a page that was not shown goes to its reader's next contact.
    if (page.shown_url) await tell(here(page.shown_url));
    await keepCurrent();
  }

  /** Subscribe anew where the browser did not, and tell the server, signed by the old keys. */
  async function renew({ oldSubscription, newSubscription }) {
    const old = oldSubscription ? recordOf(oldSubscription) : await kept();
    if (!old) return;
    const key = old.key && bytesOf(old.key);
    const subscription = newSubscription ?? await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const body = new TextEncoder().encode(JSON.stringify({ endpoint: old.endpoint, subscription: subscription.toJSON() }));
    const signer = await crypto.subtle.importKey("raw", bytesOf(old.auth), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const signature = textOf(await crypto.subtle.sign("HMAC", signer, body));
    const headers = { "Content-Type": "application/json", "Push-Signature": signature };
    if (await tell(RENEW, { body, headers })) await keep(subscription);
  }

  self.addEventListener("push", (event) => {
    event.waitUntil(show(read(event)));
  });

  self.addEventListener("pushsubscriptionchange", (event) => {
    event.waitUntil(renew(event));
  });

  self.addEventListener("notificationclick", (event) => {
    const { url, acknowledge } = event.notification.data;
    event.notification.close();
    // The address that acknowledges asks once more: nothing is taken by a slip of the finger.
    event.waitUntil(lead(event.action === "acknowledge" && acknowledge ? acknowledge : url));
  });
})();
