// The language of the steps: chosen on this tablet once, for every run that it holds.

import { ask, read, remember } from "./db.js";
import { at, h } from "./dom.js";
import { fetchPack } from "./pack.js";
import { keepPictures } from "./pictures.js";
import { NotNow } from "./sync.js";
import { languageName } from "./banners.js";

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
export function languageField(acts) {
  const { run: { runbook }, language } = acts.view;
  const tags = [...new Set([...runbook.languages ?? [], language].filter(Boolean))];
  if (tags.length < 2) return null;
  const field = h("select", { id: "language", onchange: () => choose(field.value, acts) }, tags.map(
    (tag) => h("option", { value: tag, lang: tag, selected: tag === (language || runbook.language) }, bothNames(tag))));
  return h("div", { class: "entry" }, h("label", { htmlFor: "language" }, "Language of the steps"), field);
}

async function fetched(ids) {
  for (const id of ids) {
    try {
      await fetchPack(id);
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
      if (!error.status) return;
    }
  }
}

/** Show the steps in another language and have the other open runs of this tablet in it as well, for
 *  when there is no network. Without any now it comes later. */
async function choose(tag, acts) {
  const { id } = acts.view;
  await remember("language", tag);
  await fetched([id]);
  await acts.page.refresh({ force: true });
  if (at("sheet").open) { await acts.safety(); at("language")?.focus(); }
  await keepPictures(acts.view.steps, acts.view.token);
  const all = await read(["runs"], ({ runs }) => ask(runs.getAll()));
  await fetched(all.filter((one) => one.pack && one.id !== id && !one.run.ended_at).map((one) => one.id));
}
