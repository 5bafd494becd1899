// Sending: one sender at a time, batches in order, and only the server's own word empties the
// outbox. Runs in the page and in the service worker; touches no document.

import { ask, read, write } from "./db.js";
import { backlog, deviceName, hear, lightened, photosOf, settle, waitingOf } from "./outbox.js";
import { signer } from "./sign.js";

const MOST_ENTRIES = 100;
const MOST_BYTES = 200_000;
const PATIENCE_MS = 20_000;
const WIRE = ["count", "kind", "step", "version", "at", "by", "input", "evidence", "offset"];
const utf8 = new TextEncoder();

/** The server or the network did not do its part; what waited still waits. */
export class NotNow extends Error {
  constructor(message, { status = 0, code = "" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Speak to the server with a run's key; the answer is whole JSON, or NotNow is thrown. */
export async function speak(path, { token = "", method = "GET", body, type = "application/json", headers = {} } = {}) {
  const given = { Accept: "application/json", ...headers };
  if (token) given.Authorization = `Bearer ${token}`;
  if (body !== undefined) given["Content-Type"] = type;
  let response, said;
  try {
    response = await fetch(path, {
      method, body, headers: given, cache: "no-store",
      credentials: token ? "omit" : "same-origin", signal: AbortSignal.timeout(PATIENCE_MS),
    });
    // A body cut short is no answer: whatever it said, it is asked again.
    said = await response.json();
  } catch (error) {
    throw new NotNow(error.message, { status: response && !response.ok ? response.status : 0 });
  }
  if (!response.ok) throw new NotNow(said.message ?? "", { status: response.status, code: said.code ?? "" });
  return said;
}

/** The one who may send now calls `act`; others find the door shut and go. */
export function alone(act) {
  const locks = globalThis.navigator?.locks;
  if (!locks) return act();
  return locks.request("hearthwatch-send", { ifAvailable: true }, (lock) => (lock ? act() : null));
}

/** Send all that waits, text first, photos after; returns how many are left, null when another sends. */
export function sendAll() {
  return alone(async () => {
    const { runs } = await backlog();
    const known = await read(["runs"], ({ runs: store }) => ask(store.getAll()));
    const mine = known.filter((run) => runs.includes(run.id) && run.token);
    let trouble = null;
    for (const act of [sendEntries, sendPhotos]) {
      for (const run of mine) {
        try {
          await act(run);
        } catch (error) {
          if (!(error instanceof NotNow)) throw error;
          trouble ??= Object.assign(error, { run: run.id });
        }
      }
    }
    if (trouble) throw trouble;
    return (await backlog()).count;
  });
}

function batchOf(entries, most) {
  const batch = [];
  let bytes = 0;
  for (const entry of entries.slice(0, most)) {
    bytes += utf8.encode(JSON.stringify(entry)).length + 80;
    if (batch.length && bytes > MOST_BYTES) break;
    batch.push(entry);
  }
  return batch;
}

async function sendEntries(run) {
  const refused = new Set();
  let most = MOST_ENTRIES;
  let trouble = null;
  for (;;) {
    const waiting = await waitingOf(run.id);
    const batch = batchOf(waiting.filter((entry) => !refused.has(entry.count)), most);
    if (!batch.length) break;
    try {
      await settle(run.id, batch, await post(run, batch));
    } catch (error) {
      const isTheBatch = [400, 413, 422].includes(error.status);
      if (!isTheBatch) throw error;
      // One bad entry may not hold up the others: halve, and leave a lone one for the next time.
      trouble = error;
      if (batch.length === 1) refused.add(batch[0].count);
      most = Math.max(1, Math.floor(batch.length / 2));
    }
  }
  if (trouble) throw trouble;
}

async function post(run, batch) {
  const sign = await signer(run.token);
  const entries = await Promise.all(
    batch.map((entry) => sign(Object.fromEntries(WIRE.map((name) => [name, entry[name]])))));
  const fresh = await read(["runs"], ({ runs }) => ask(runs.get(run.id)));
  const answer = await speak(`/api/v1/runs/${run.id}/entries`, {
    token: run.token,
    method: "POST",
    body: JSON.stringify({
      device: await deviceName(), sent_at: new Date().toISOString(), waiting: (await backlog()).count,
      since: newest(fresh), entries,
    }),
  });
  if (!Array.isArray(answer.kept) || !Array.isArray(answer.quarantined)) throw new NotNow("No answer.");
  if (!answer.kept.length && !answer.quarantined.length) {
    throw new NotNow("The server has no more room for this run. What waits stays here; tell the lead.", { status: 409 });
  }
  return { entries: [], run: {}, server_time: new Date().toISOString(), ...answer };
}

function newest(run) {
  return run?.entries.length ? run.entries[run.entries.length - 1].id : 0;
}

/** Ask what is new in a run; for a screen that is online and waits for others. */
export async function listen(id, step) {
  const run = await read(["runs"], ({ runs }) => ask(runs.get(id)));
  if (!run?.token) return;
  await hear(id, await speak(`/api/v1/runs/${id}/changes?since=${newest(run)}&step=${encodeURIComponent(step)}`, { token: run.token }));
}

async function sendPhotos(run) {
  const all = await photosOf(run.id);
  let trouble = null;
  for (const photo of all.filter((one) => one.state === "waiting")) {
    const state = { state: "sent" };
    try {
      await speak(`/api/v1/runs/${run.id}/photos/${photo.sha256}`, {
        token: run.token, method: "PUT", body: photo.blob, type: photo.blob.type,
      });
    } catch (error) {
      if (![413, 415, 422].includes(error.status)) throw error;
      trouble ??= error;
      // Sent again next time, unless the server itself says that it never takes it.
      if (!["photo_too_large", "photo_type"].includes(error.code)) continue;
      Object.assign(state, { state: "refused", message: error.message });
    }
    await write(["photos"], async ({ photos }) => {
      const known = await ask(photos.get([run.id, photo.sha256]));
      photos.put(lightened({ ...known, ...state }));
    });
  }
  if (trouble) throw trouble;
}
