// Runs that are begun on this tablet without network. Such a run stands under a number below zero
// until the server knows it; then all that was written in it moves to the number the server gave.

import { ask, read, write } from "./db.js";
import { deviceName, uuid } from "./outbox.js";
import { NotNow, speak } from "./sync.js";

const BELOW_ZERO = IDBKeyRange.upperBound(0, true);
const WRITTEN = ["outbox", "photos", "meta"];
const UNFILLED = /<span class="unfilled" data-name="([a-z_.]+)">[^<]*<\/span>/g;
const SLOT = /\{\{\s*([a-z_.]+)\s*\}\}/g;

/** Where a run is opened, whether the server knows it or not. */
export function pathOf(id) {
  return id < 0 ? `/tablet/run/?begun=${-id}` : `/runs/${id}/`;
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** A value with the node's facts in their places, in every text of it. */
function filled(value, facts) {
  if (typeof value === "string") {
    return value.replace(UNFILLED, (whole, name) => (facts[name] ? `<span class="filled">${escaped(facts[name])}</span>` : whole));
  }
  if (Array.isArray(value)) return value.map((one) => filled(one, facts));
  if (!value || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, facts)]));
}

/** What a scan must read once the node is known; anything where a fact is missing. */
function codeOf(slots, facts) {
  const names = [...slots.matchAll(SLOT)].map(([, name]) => name);
  return names.every((name) => facts[name]) ? slots.replace(SLOT, (_, name) => facts[name]) : null;
}

function packFor({ pack, code_slots: slots }, node) {
  const facts = node?.values ?? {};
  const { run, steps, entries, server_time: time, ...rest } = filled(pack, facts);
  const known = steps.map((step) => ({ ...step, code: codeOf(slots[step.id] ?? "", facts) || step.code }));
  return { run: { ...run, node: node?.name ?? run.node }, pack: { ...rest, steps: known } };
}

/** Begin what a prepared site offers; returns the run's number on this tablet. */
export function beginHere({ slug, standby, offset }, offer, nodeName) {
  const node = standby.nodes.find((one) => one.name === nodeName);
  const { run, pack } = packFor(offer, node);
  return write(["runs"], async ({ runs }) => {
    const [lowest = 0] = await ask(runs.getAllKeys(BELOW_ZERO));
    const id = lowest - 1;
    const at = new Date().toISOString();
    const begun = { as: uuid(), site: slug, alert: run.alert?.id ?? null, node: node?.name ?? "", at, offset: (offset ?? 0) / 1000 };
    runs.put({ id, pack, run: { ...run, id }, entries: [], token: "", offset: offset ?? 0, heard_at: at, begun });
    return id;
  });
}

/** Tell the server of the runs that were begun here, each for itself. Throws NotNow. */
export async function tellBegun() {
  const kept = await read(["runs"], ({ runs }) => ask(runs.getAll(BELOW_ZERO)));
  // A window that was open meanwhile may have written under the old number.
  await moveRest(kept.filter((run) => run.moved));
  const untold = kept.filter((run) => run.begun);
  const who = untold.length ? await speak("/tablet/session.json") : {};
  let trouble = null;
  for (const run of who.user ? untold : []) {
    try {
      await told(run, who);
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
      trouble ??= error;
    }
  }
  if (trouble) throw trouble;
}

/** Have the page of a run that was begun here go on under the number it may have by now, whoever told
 *  of it. Without a new page: what is open stays open, and a photo that is being taken finds its step. */
export async function follow(page) {
  const { moved } = (await read(["runs"], ({ runs }) => ask(runs.get(page.id)))) ?? {};
  if (!moved) return;
  page.id = moved;
  page.isNew = true;
  history.replaceState(null, "", `/runs/${moved}/${location.hash}`);
  // What was on its way to the disk meanwhile lies under the old number.
  if (page.view) page.sending.send();
}

/** The same as tellBegun, from the page of a run: once it has its number it is fetched as the desk has it. */
export async function tellFrom(page) {
  await tellBegun();
  if (page.id < 0) await follow(page);
  if (!page.isNew) return;
  page.isNew = false;
  await page.update();
}

async function told(run, { user, csrf }) {
  const { me } = run.run;
  if (user.id !== me.id) {
    await refuse(run.id, `${me.name} began this run here. It is sent once ${me.name} logs in on this tablet.`);
    return;
  }
  const { as, site, alert, node, at, offset } = run.begun;
  try {
    const { run: number, ...key } = await speak(`/sites/${site}/runs/begun/`, {
      method: "POST", headers: { "X-CSRFToken": csrf },
      body: JSON.stringify({
        begun_as: as, device: await deviceName(), runbook: run.run.runbook.slug, version: run.run.runbook.version,
        language: run.run.runbook.language, alert, node, at, offset, sent_at: new Date().toISOString(),
      }),
    });
    await move(run.id, number, key);
  } catch (error) {
    if (!(error instanceof NotNow) || !error.code || error.status >= 500) throw error;
    await refuse(run.id, `The server does not take this run: ${error.message} What you entered stays on this tablet.`);
  }
}

function refuse(id, refusal) {
  return write(["runs"], async ({ runs }) => {
    const known = await ask(runs.get(id));
    if (known?.begun && known.refusal !== refusal) runs.put({ ...known, refusal });
  });
}

/** The run under its own number, with its key and all that was written in it; what stood below zero
 *  only points there. */
function move(from, to, key) {
  return write(["runs", ...WRITTEN], async ({ runs, ...stores }) => {
    const known = await ask(runs.get(from));
    if (!known?.begun) return;
    const { begun, ...rest } = known;
    runs.put({ ...rest, ...(await ask(runs.get(to))), ...key, id: to, run: { ...rest.run, id: to }, refusal: "" });
    runs.put({ id: from, moved: to });
    await carry(stores, from, to);
  });
}

async function moveRest(runs) {
  if (!runs.length) return;
  await write(WRITTEN, async (stores) => {
    for (const { id, moved } of runs) await carry(stores, id, moved);
  });
}

async function carry({ outbox, photos, meta }, from, to) {
  for (const entry of await ask(outbox.index("run").getAll(from))) outbox.put({ ...entry, run: to });
  for (const photo of await ask(photos.index("run").getAll(from))) {
    photos.delete([from, photo.sha256]);
    photos.put({ ...photo, run: to });
  }
  const typed = IDBKeyRange.bound(["typed", from], ["typed", from, []]);
  for (const key of await ask(meta.getAllKeys(typed))) {
    meta.put(await ask(meta.get(key)), ["typed", to, key[2]]);
    meta.delete(key);
  }
}
