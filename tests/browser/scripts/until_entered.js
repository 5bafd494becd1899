// Wait until an entry is on the disk beyond those of `before`, or the screen asks, refuses or moves.
async (before) => {
  const { ask, read } = await import("/static/js/run/db.js");
  const words = (id) => document.getElementById(id)?.textContent ?? "";
  const now = async () => ({
    count: (await read(["meta"], ({ meta }) => ask(meta.get("count")))) ?? 0,
    isAsking: document.querySelector("dialog[open]") !== null,
    said: ["alarm", "fault", "step-title"].map(words).join("\n"),
  });
  if (before === null) return now();
  for (let tries = 0; tries < 1000; tries += 1) {
    const after = await now();
    if (after.count > before.count || after.said !== before.said) return before;
    if (after.isAsking && !before.isAsking) return before;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error("Nothing was entered, and the screen says nothing.");
}
