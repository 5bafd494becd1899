// The language of the steps: chosen on this tablet once, for every run that it holds.

import { ask, read, remember } from "./db.js";
import { h } from "./dom.js";
import { fetchPack } from "./pack.js";
import { NotNow } from "./sync.js";
import { languageName } from "./words.js";

/** "日本語 (Japanese)": who reads only that language finds it, and so does who does not. */
function bothNames(tag) {
  const english = languageName(tag);
  try {
    const own = new Intl.DisplayNames(tag, { type: "language" }).of(tag);
    return own === english ? own : `${own} (${english})`;
  } catch {
    return english;
  }
}

/** A field to choose among the edition's languages; nothing where there is one only. */
export function languageField({ run, language }, choose) {
  const { runbook } = run;
  const tags = [...new Set([...runbook.languages ?? [], language].filter(Boolean))];
  if (tags.length < 2) return null;
  const field = h("select", { id: "language", onchange: () => choose(field.value) }, tags.map(
    (tag) => h("option", { value: tag, lang: tag, selected: tag === (language || runbook.language) }, bothNames(tag))));
  return h("div", { class: "entry" }, h("label", { htmlFor: "language" }, "Language of the steps"), field);
}

async function fetched(ids) {
  try {
    for (const id of ids) await fetchPack(id);
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
  }
}

/** Remember the language and have the run in it; without network it comes later. */
export async function choose(tag, run) {
  await remember("language", tag);
  await fetched([run]);
}

/** Have the other open runs of this tablet in its language as well, for when there is no network. */
export async function keepOthers(run) {
  const all = await read(["runs"], ({ runs }) => ask(runs.getAll()));
  await fetched(all.filter((one) => one.pack && one.id !== run && !one.run.ended_at).map((one) => one.id));
}
