// The outbox: what was entered and what became of it. An entry leaves it only when the server
// has said that it keeps it, and then goes to `sent` or `flagged`: it is never only in the air.

import { ask, read, write } from "./db.js";
import { putTyped } from "./typed.js";

const OURS = ["outbox", "sent", "flagged"];

/** A name that nobody else has. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function nameOf(meta) {
  const known = await ask(meta.get("device"));
  if (known) return known;
  const device = uuid();
  await ask(meta.put(device, "device"));
  return device;
}

/** This device's own name, made once. */
export function deviceName() {
  return write(["meta"], ({ meta }) => nameOf(meta));
}

/** Keep one entry of `run`; when this returns, the disk has it. Photos go in with it or not at all,
 *  and `rest` stands for what was typed at its step. */
export function add(run, entry, photos = [], rest = null) {
  return write(["meta", "outbox", "photos"], async ({ meta, outbox, photos: kept }) => {
    const device = await nameOf(meta);
    const count = ((await ask(meta.get("count"))) ?? 0) + 1;
    const whole = { run, device, count, at: new Date().toISOString(), input: {}, evidence: [], ...entry };
    meta.put(count, "count");
    outbox.add(whole);
    if (rest) putTyped(meta, run, entry.step, rest);
    for (const photo of photos) {
      kept.put(lightened({ ...photo, draftFor: "", state: photo.state === "draft" ? "waiting" : photo.state }));
    }
    return whole;
  });
}

/** A photo, without its bytes once the server has them and no draft shows it. */
export function lightened({ blob, ...photo }) {
  return photo.state === "sent" && !photo.draftFor ? photo : { ...photo, blob };
}

/** What the server has not confirmed, in the order it was written. */
export function waitingOf(run) {
  return read(["outbox"], ({ outbox }) => ask(outbox.index("run").getAll(run)));
}

/** What this device wrote in `run`: waiting, sent and flagged. */
export function writtenIn(run) {
  return read(OURS, async (stores) => {
    const [waiting, sent, flagged] = await Promise.all(
      OURS.map((name) => ask(stores[name].index("run").getAll(run))));
    return { waiting, sent, flagged };
  });
}

/** The photos of a run that are on this tablet. */
export function photosOf(run) {
  return read(["photos"], ({ photos }) => ask(photos.index("run").getAll(run)));
}

/** The runs that have something to send, and how many entries and photos wait in all. */
export function backlog() {
  return read(["outbox", "photos"], async ({ outbox, photos }) => {
    const entries = await ask(outbox.getAll());
    const pictures = (await ask(photos.getAll())).filter((photo) => photo.state === "waiting");
    return {
      runs: [...new Set([...entries, ...pictures].map((one) => one.run))],
      count: entries.length + pictures.length,
    };
  });
}

/** Take the server's word for the entries `sent` of a run: exactly what it names leaves the outbox. */
export function settle(run, sent, answer) {
  const keys = new Map(sent.map((entry) => [entry.count, entry]));
  return write([...OURS, "runs"], async ({ outbox, sent: done, flagged, runs }) => {
    for (const count of answer.kept) {
      const entry = keys.get(count);
      if (!entry) continue;
      outbox.delete([entry.device, count]);
      done.put(entry);
    }
    for (const { count, code, message } of answer.quarantined) {
      const entry = keys.get(count);
      if (!entry) continue;
      outbox.delete([entry.device, count]);
      flagged.put({ ...entry, code, message });
    }
    await takeIn(run, answer, { runs, sent: done });
  });
}

/** Take the server's news of a run: its state, and the entries it has beyond those known. */
export function hear(run, answer) {
  return write(["runs", "sent"], (stores) => takeIn(run, answer, stores));
}

async function takeIn(run, answer, { runs, sent }) {
  const known = await ask(runs.get(run));
  if (!known) return;
  const entries = new Map(known.entries.map((entry) => [entry.id, entry]));
  for (const entry of answer.entries) {
    entries.set(entry.id, entry);
    if (entry.device && entry.count) sent.delete([entry.device, entry.count]);
  }
  known.entries = [...entries.values()].sort((one, other) => one.id - other.id);
  known.run = { ...known.run, ...answer.run };
  known.others = answer.others ?? known.others;
  known.offset = new Date(answer.server_time) - Date.now();
  known.heard_at = new Date().toISOString();
  runs.put(known);
}
