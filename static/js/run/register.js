// The one place that registers the service worker. Where the browser can sync by itself the
// worker is a module that sends the outbox; elsewhere it is a plain script that only keeps files.

/** Register the worker; a new version waits until every window of the old one is closed. */
export async function startWorker() {
  if (!("serviceWorker" in navigator)) return;
  const canSync = "SyncManager" in globalThis;
  try {
    await navigator.serviceWorker.register(canSync ? "/sw.js?module" : "/sw.js", {
      scope: "/", type: canSync ? "module" : "classic", updateViaCache: "none",
    });
  } catch {
    // No network, or half a file: what is entered is kept without it, and the next start tries again.
  }
}
