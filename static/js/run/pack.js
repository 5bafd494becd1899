// A run on this tablet: its pack, the server's log, and what was written here, as one picture.

import { ask, read, remembered, write } from "./db.js";
import { deviceName, photosOf, writtenIn } from "./outbox.js";
import { progressOf } from "./progress.js";
import { NotNow, speak } from "./sync.js";

const RENEW_WITHIN_MS = 24 * 3_600_000;

/** Who is signed in here, with the token that forms need; nobody when there is no network. */
export async function session() {
  try {
    return await speak("/tablet/session.json");
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
    return { user: null, csrf: "", sites: [] };
  }
}

/** Fetch a run's pack in the tablet's language and keep it; throws NotNow. */
export async function fetchPack(id) {
  const known = await read(["runs"], ({ runs }) => ask(runs.get(id)));
  const language = encodeURIComponent((await remembered("language")) ?? "");
  const pack = await speak(`/api/v1/runs/${id}/pack?language=${language}`, { token: known?.token ?? "" });
  if (pack.format !== 1) throw new NotNow("This tablet's program is older than the server. Close it and open it again.");
  const { entries, run, server_time: time, ...rest } = pack;
  await write(["runs"], async ({ runs }) => {
    const before = (await ask(runs.get(id))) ?? { id };
    // An answer to a batch may have come meanwhile: what is known stays known.
    const log = new Map([...entries, ...(before.entries ?? [])].map((entry) => [entry.id, entry]));
    runs.put({
      ...before, pack: rest, run, entries: [...log.values()].sort((one, other) => one.id - other.id),
      offset: new Date(time) - Date.now(), heard_at: new Date().toISOString(),
    });
  });
}

/** See that the run has a key to write with; a login makes one, and renews it a day before its end. */
export async function ensureKey(id, { user, csrf }) {
  const known = await read(["runs"], ({ runs }) => ask(runs.get(id)));
  if (!known || !user) return Boolean(known?.token);
  const isFresh = known.token && new Date(known.expires_at) - Date.now() > RENEW_WITHIN_MS;
  if ((isFresh && !known.refusal) || known.run.ended_at) return Boolean(known.token);
  const device = await deviceName();
  const key = await speak(`/runs/${id}/token/`, {
    method: "POST", body: JSON.stringify({ device, label: deviceLabel() }), headers: { "X-CSRFToken": csrf },
  });
  await keepKey(id, key);
  return true;
}

/** Keep a run's key. */
export function keepKey(id, { token, expires_at }) {
  return write(["runs"], async ({ runs }) => {
    const before = (await ask(runs.get(id))) ?? { id, pack: null, run: { id }, entries: [] };
    runs.put({ ...before, token, expires_at, refusal: "" });
  });
}

/** The server refused the run's key. One it does not know is forgotten; one that was taken back or
 *  ran out still brings entries, which the server keeps aside. What was written stays either way. */
export function refuseKey(id, { code, message }) {
  return write(["runs"], async ({ runs }) => {
    const before = await ask(runs.get(id));
    if (before) runs.put({ ...before, refusal: message || code, token: code === "token_unknown" ? "" : before.token });
  });
}

/** What this device is, in a few words, for the people at the desk. */
export function deviceLabel() {
  const known = /iPad|iPhone|Android|Windows|Macintosh|Linux/.exec(navigator.userAgent);
  return known ? known[0].replace("Macintosh", "Mac") : "Tablet";
}

function asEntry(written, me, offset, state) {
  return {
    ...written, id: `${written.device}:${written.count}`, by: written.by || me?.name || "You",
    by_id: me?.id ?? null, received_at: null, skew: -(written.offset ?? offset / 1000), channel: "tablet", is_after_end: false, state,
  };
}

/** The run as it stands here: facts, steps, one log of both sides, and where it has come to. */
export async function viewOf(id) {
  const known = await read(["runs"], ({ runs }) => ask(runs.get(id)));
  if (!known?.pack) return null;
  const device = await deviceName();
  const { waiting, sent, flagged } = await writtenIn(id);
  const me = known.run.me ?? null;
  const there = new Set(known.entries.map((entry) => `${entry.device}:${entry.count}`));
  const here = [["sent", sent], ["flagged", flagged], ["waiting", waiting]]
    .flatMap(([state, list]) => list.map((entry) => asEntry(entry, me, known.offset ?? 0, state)))
    .filter((entry) => !there.has(entry.id))
    .sort((one, other) => one.count - other.count);
  const entries = [...known.entries, ...here];
  return {
    id, device, me, entries, flagged, language: (await remembered("language")) ?? "", run: known.run, pack: known.pack, steps: known.pack.steps,
    zone: known.run.site.time_zone, token: known.token ?? "", hasKey: Boolean(known.token), refusal: known.refusal ?? "", name: known.name ?? "",
    offset: known.offset ?? 0, heardAt: known.heard_at, others: known.others ?? [], photos: await photosOf(id),
    progress: progressOf(known.pack.steps, entries, Date.now() + (known.offset ?? 0)),
  };
}
