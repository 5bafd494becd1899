// Wait until an entry is on the disk beyond those counted before, or the screen asks or refuses.
async (before) => {
  const { ask, read } = await import("/static/js/run/db.js");
  const count = async () => (await read(["meta"], ({ meta }) => ask(meta.get("count")))) ?? 0;
  if (before === null) return count();
  for (let tries = 0; tries < 100; tries += 1) {
    if (await count() > before || document.querySelector("dialog[open], #alarm *")) return before;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  return before;
}
