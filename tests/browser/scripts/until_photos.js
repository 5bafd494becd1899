// Wait until the photos of a run are kept so: of each its state, and whether its bytes are here.
async ([id, wanted]) => {
  const { photosOf } = await import("/static/js/run/outbox.js");
  let kept = "";
  for (let tries = 0; tries < 500; tries += 1) {
    kept = JSON.stringify((await photosOf(id)).map(({ state, blob }) => [state, blob?.size > 0]));
    if (kept === JSON.stringify(wanted)) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error(`The photos are kept as ${kept}.`);
}
