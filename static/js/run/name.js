// Who writes, where no login says it: asked once a run, and kept on the tablet.

import { ask, write } from "./db.js";
import { at } from "./dom.js";
import { askName } from "./sheets.js";

function keepName(id, name) {
  return write(["runs"], async ({ runs }) => {
    const before = await ask(runs.get(id));
    if (before) runs.put({ ...before, name });
  });
}

/** Ask what the person is called; false when they go back. */
export async function nameMe({ page }) {
  const name = await new Promise((resolve) => {
    askName(resolve);
    at("sheet").addEventListener("close", () => resolve(""), { once: true });
  });
  if (!name) return false;
  await keepName(page.id, name);
  // The page may have looked at the store anew meanwhile.
  page.view.name = name;
  return true;
}
