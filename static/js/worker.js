// The service worker. /sw.js puts before it: `SHELL` (version, files, the pages' kept copies),
// `sendAll` and `tellBegun` (null where the browser cannot sync by itself). It answers only for the tablet's
// pages and its files; packs and pictures are kept by the page itself, and everything else goes to
// the network untouched.
/* global SHELL, sendAll, tellBegun */

const KEPT = `shell-${SHELL.version}`;
const LIMIT_MS = 2500;
const RUN_PAGE = /^\/runs\/\d+\/$/;

addEventListener("install", (event) => {
  // No skipWaiting: a new version starts when every window of the old one is closed, never in mid-run.
  const files = SHELL.files.map((url) => new Request(url, { cache: "reload" }));
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(files)));
});

addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("shell-") && name !== KEPT) await caches.delete(name);
    }
    await clients.claim();
  })());
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  // One address, two bodies: what htmx asks for is never kept, nor answered from here.
  if (request.method !== "GET" || url.origin !== location.origin || request.headers.has("HX-Request")) return;
  if (request.mode === "navigate") {
    const page = pageOf(url.pathname);
    if (page) event.respondWith(navigated(request, page));
  } else if (SHELL.files.includes(url.pathname)) {
    event.respondWith(keptOr(request));
  }
});

function pageOf(path) {
  if (path === SHELL.run || RUN_PAGE.test(path)) return SHELL.run;
  return path === SHELL.home ? SHELL.home : null;
}

async function keptOr(request) {
  return (await caches.match(request, { cacheName: KEPT, ignoreVary: true })) ?? fetch(request);
}

/** The network, for 2.5 s; then the kept page. A page of another version than ours waits as well. */
async function navigated(request, page) {
  const kept = await caches.match(page, { cacheName: KEPT, ignoreVary: true });
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), LIMIT_MS);
  try {
    const answer = await fetch(request, { signal: kept ? limit.signal : null });
    const isOurs = answer.ok && answer.headers.get("X-Shell") === SHELL.version;
    return isOurs || !kept ? answer : kept;
  } catch (error) {
    if (!kept) throw error;
    return kept;
  } finally {
    clearTimeout(timer);
  }
}

addEventListener("sync", (event) => {
  if (event.tag !== "outbox" || !sendAll) return;
  event.waitUntil(sync().finally(() => {
    const news = new BroadcastChannel("hearthwatch-run");
    news.postMessage("sent");
    news.close();
  }));
});

/** What was begun here first, so that its entries go as well. Trouble with it holds up no other run,
 *  and makes the browser try again. */
async function sync() {
  const [told] = await Promise.allSettled([tellBegun()]);
  await sendAll();
  if (told.reason) throw told.reason;
}
