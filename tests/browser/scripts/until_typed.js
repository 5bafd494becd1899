// Wait until words that were typed in a run are on the disk.
async ([id, words]) => {
  const { typedIn } = await import("/static/js/run/typed.js");
  for (let tries = 0; tries < 500; tries += 1) {
    if (JSON.stringify([...(await typedIn(id)).values()]).includes(words)) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error(`"${words}" is not kept.`);
}
