// What was typed and not entered yet, by run and step: it outlives a reload and a crash of the tab.

import { ask, read, write } from "./db.js";

/** What is kept of a run: for each step its memory, as the page has it. */
export function typedIn(run) {
  return read(["meta"], async ({ meta }) => {
    const all = IDBKeyRange.bound(["typed", run], ["typed", run, []]);
    const [keys, kept] = await Promise.all([ask(meta.getAllKeys(all)), ask(meta.getAll(all))]);
    return new Map(keys.map(([, , step], place) => [step, { ...kept[place], hasRead: false }]));
  });
}

/** Put it in place of what was kept, within a transaction; nothing typed is nothing kept. */
export function putTyped(meta, run, step, { draft, words, again }) {
  const key = ["typed", run, step];
  const isTyped = [draft.text, draft.choice, ...Object.values(words)].some(Boolean);
  return isTyped ? meta.put({ draft, words, again }, key) : meta.delete(key);
}

/** Keep what is typed at a step. */
export function keepTyped(run, step, memory) {
  return write(["meta"], ({ meta }) => ask(putTyped(meta, run, step, memory)));
}

// What is under way at a step is not done yet.
const BEGUN = ["timer_started", "verify_asked"];

/** What is left of a memory once an entry was made of it: a note leaves the form, a form the note. */
export function afterEntry({ draft, words }, kind, { note }) {
  const noted = words.noted?.trim() === note ? "" : words.noted;
  return kind === "noted" ? { again: false, draft, words: { ...words, noted } }
    : { again: false, draft: {}, words: { noted: words.noted }, ...(BEGUN.includes(kind) ? {} : { without: "" }) };
}
