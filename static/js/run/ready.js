// Making the tablet ready for a site: every file of its pack, checked by its hash, and every open
// run with a key, so that nothing has to be fetched there.

import { ask, read, write } from "./db.js";
import { deviceName, backlog } from "./outbox.js";
import { deviceLabel, ensureKey, fetchPack } from "./pack.js";
import { sha256 } from "./sign.js";
import { NotNow, speak } from "./sync.js";

const storeOf = (slug) => `pack-${slug}`;

async function isWhole(cache, { url, sha256: wanted }) {
  const kept = await cache.match(url);
  return Boolean(kept) && (await sha256(await kept.arrayBuffer())) === wanted;
}

async function fetchFile(cache, file) {
  if (await isWhole(cache, file)) return true;
  try {
    const answer = await fetch(file.url, { cache: "reload" });
    if (!answer.ok) return false;
    await cache.put(file.url, answer);
  } catch {
    return false;
  }
  return isWhole(cache, file);
}

/** Ask the browser never to clear what is kept here; iOS grants it to apps on the home screen. */
export async function persist() {
  if (!navigator.storage?.persist) return false;
  return (await navigator.storage.persisted()) || navigator.storage.persist();
}

/** Fetch what a site needs; `onProgress` hears ready and total. Throws NotNow without the list itself. */
export async function prepare(slug, session, onProgress) {
  const list = await speak(`/sites/${slug}/pack.json`);
  const cache = await caches.open(storeOf(slug));
  const leftOut = list.left_out ?? [];
  const total = list.files.length + list.runs.length + leftOut.length;
  let ready = 0;
  const step = (isReady) => { ready += Number(isReady); onProgress(ready, total); };
  for (const file of list.files) step(await fetchFile(cache, file));
  for (const run of list.runs) step(await fetchRun(run, session));
  await sweep(cache, list.files);
  const site = {
    slug, name: list.name ?? list.site, hash: list.hash, files: list.files, runs: list.runs, leftOut,
    ready, total, checked_at: new Date().toISOString(), persistent: await persist(),
  };
  await write(["sites"], ({ sites }) => ask(sites.put(site)));
  await report(site, session);
  return site;
}

async function fetchRun(run, session) {
  try {
    await fetchPack(run);
    return await ensureKey(run, session);
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
    return false;
  }
}

/** What the site no longer needs makes room. */
async function sweep(cache, files) {
  const wanted = new Set(files.map((file) => new URL(file.url, location.href).href));
  for (const request of await cache.keys()) {
    if (!wanted.has(request.url)) await cache.delete(request);
  }
}

/** Look again at what is here, without the network. */
export async function check(site) {
  const cache = await caches.open(storeOf(site.slug));
  const files = await Promise.all(site.files.map((file) => isWhole(cache, file)));
  const known = await read(["runs"], ({ runs }) => ask(runs.getAll()));
  const keyed = new Set(known.filter((run) => run.pack && run.token).map((run) => run.id));
  const ready = files.filter(Boolean).length + site.runs.filter((run) => keyed.has(run)).length;
  const looked = { ...site, ready, checked_at: new Date().toISOString() };
  await write(["sites"], ({ sites }) => ask(sites.put(looked)));
  return looked;
}

/** Tell the server how ready this tablet is, for whoever sends people to the site. */
export async function report(site, session) {
  const { count } = await backlog();
  try {
    await speak(`/sites/${site.slug}/tablets/`, {
      method: "POST", headers: { "X-CSRFToken": session.csrf },
      body: JSON.stringify({
        device: await deviceName(), label: deviceLabel(), hash: site.hash, files: site.total,
        ready: site.ready, persistent: site.persistent, waiting: count,
      }),
    });
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
  }
}

/** What the site's pack has no room for, in a sentence; empty where all is in it. */
export function leftOutWords({ leftOut = [] }) {
  if (!leftOut.length) return "";
  const named = leftOut.map(({ id, title }) => `R-${id} ${title}`).join(", ");
  return `Not ready, beyond the 20 newest runs or 25 MB of pictures: ${named}. Open each once where there is network to have it here.`;
}

/** "Ready for offline, 14 of 14, checked 09:12". */
export function readyWords({ ready, total, checked_at: checkedAt }) {
  const time = new Date(checkedAt).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const word = ready === total ? "Ready for offline" : "Not ready for offline";
  return `${word}, ${ready} of ${total}, checked ${time}`;
}
