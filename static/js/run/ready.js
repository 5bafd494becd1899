// Making the tablet ready for a site: every file of its pack, checked by its hash, and every open
// run with a key, so that nothing has to be fetched there.

import { ask, read, remembered, write } from "./db.js";
import { deviceName, backlog } from "./outbox.js";
import { deviceLabel, ensureKey, fetchPack } from "./pack.js";
import { sha256 } from "./sign.js";
import { NotNow, speak } from "./sync.js";

const PATIENCE_MS = 15_000;

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

/** Whether the program itself opens without network: its worker is there and keeps every file. One that
 *  is just being installed is waited for. */
async function hasProgram() {
  const workers = navigator.serviceWorker;
  if (!(await workers?.getRegistration())) return false;
  // An active worker has all the files: it is installed with them or not at all.
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, null));
  const ready = await Promise.race([workers.ready, late]);
  return Boolean(ready) && (await caches.keys()).some((name) => name.startsWith("shell-"));
}

/** Fetch what a site needs; `onProgress` hears ready and total. Throws NotNow without the list itself. */
export async function prepare(slug, session, onProgress) {
  const language = encodeURIComponent((await remembered("language")) ?? "");
  const list = await speak(`/sites/${slug}/pack.json?language=${language}`);
  const cache = await caches.open(storeOf(slug));
  const leftOut = list.left_out ?? [];
  const total = 1 + list.files.length + list.runs.length + leftOut.length;
  let ready = 0;
  const step = (isReady) => { ready += Number(isReady); onProgress(ready, total); };
  for (const file of list.files) step(await fetchFile(cache, file));
  for (const run of list.runs) step(await fetchRun(run, session));
  await sweep(cache, list.files);
  const program = await hasProgram();
  step(program);
  const site = {
    slug, name: list.name ?? list.site, hash: list.hash, files: list.files, runs: list.runs, leftOut, program,
    ready, total, checked_at: new Date().toISOString(), persistent: await persist(),
    standby: list.standby, offset: new Date(list.server_time) - Date.now(),
  };
  await write(["sites"], ({ sites }) => ask(sites.put(site)));
  await report(site, session);
  return site;
}

/** Fetch a run with its key; whether both are here. */
export async function fetchRun(run, session) {
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

/** Fetch what the site needs by now; without network look at what is here. */
export async function renew(site, session) {
  try {
    if (session.user) return await prepare(site.slug, session, () => undefined);
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
    const { me } = site.standby?.offers[0]?.pack.run ?? {};
    // Who may not work there any more begins nothing there; what others may begin stays.
    if (error.code === "no_such_site" && me?.id === session.user.id) return check({ ...site, standby: null });
  }
  return check(site);
}

/** Look again at what is here, without the network: whether it is still all that the site needs was
 *  checked when it was fetched. */
async function check(site) {
  const cache = await caches.open(storeOf(site.slug));
  const files = await Promise.all(site.files.map((file) => isWhole(cache, file)));
  const known = await read(["runs"], ({ runs }) => ask(runs.getAll()));
  const keyed = new Set(known.filter((run) => run.pack && run.token).map((run) => run.id));
  const program = await hasProgram();
  const ready = Number(program) + files.filter(Boolean).length + site.runs.filter((run) => keyed.has(run)).length;
  const looked = { ...site, program, ready };
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

/** What is not here of a site, in sentences; empty where all is. */
export function leftOutWords({ leftOut = [], program }) {
  const missing = program === false ? "The program itself is not kept: the browser allows it only over HTTPS, and not in a private window." : "";
  if (!leftOut.length) return missing;
  const named = leftOut.map(({ id, title }) => `R-${id} ${title}`).join(", ");
  return `${missing} Not ready, beyond the 20 newest runs or 25 MB of pictures: ${named}. Open each once where there is network to have it here.`.trim();
}

/** "Ready for offline, 14 of 14, checked 09:12"; on another day "checked 28 Nov, 09:12". */
export function readyWords({ ready, total, checked_at: checkedAt }) {
  const then = new Date(checkedAt);
  const isToday = then.toDateString() === new Date().toDateString();
  const time = then.toLocaleString("en-GB", { ...(isToday ? {} : { day: "numeric", month: "short" }), hour: "2-digit", minute: "2-digit" });
  const word = ready === total ? "Ready for offline" : "Not ready for offline";
  return `${word}, ${ready} of ${total}, checked ${time}`;
}
