// How much is still kept under the numbers of runs that the server did not know.
async () => {
  const { ask, read } = await import("/static/js/run/db.js");
  return read(["outbox", "photos"], async ({ outbox, photos }) => {
    const below = IDBKeyRange.upperBound(0, true);
    return { outbox: await ask(outbox.index("run").count(below)), photos: await ask(photos.index("run").count(below)) };
  });
}
