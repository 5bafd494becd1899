// What the service worker does with a page that was pushed: show it, and lead to its alert.
"use strict";

(function () {
  const UNREADABLE = { title: "Hearthwatch", body: "A page came that cannot be read. Look at the alerts.", url: "/alerts/" };

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

  self.addEventListener("push", (event) => {
    const page = read(event);
    const options = {
      body: page.body,
      // It stays until somebody has looked; a later page of the same alert takes its place, aloud.
      requireInteraction: true,
      tag: page.tag || "",
      renotify: Boolean(page.tag),
      data: { url: here(page.url), acknowledge: page.acknowledge_url ? here(page.acknowledge_url) : "" },
      actions: page.acknowledge_url ? [{ action: "acknowledge", title: "Acknowledge" }] : [],
    };
    event.waitUntil(self.registration.showNotification(page.title || UNREADABLE.title, options));
  });

  self.addEventListener("notificationclick", (event) => {
    const { url, acknowledge } = event.notification.data;
    event.notification.close();
    // The address that acknowledges asks once more: nothing is taken by a slip of the finger.
    event.waitUntil(lead(event.action === "acknowledge" && acknowledge ? acknowledge : url));
  });
})();
