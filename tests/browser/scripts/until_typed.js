// Wait until words that were typed in a run are on the disk.
async ([id, words]) => {
  const { typedIn } = await import("/static/js/run/typed.js");
  const kept = async () => JSON.stringify([...(await typedIn(id)).values()]);
  while (!(await kept()).includes(words)) await new Promise((resolve) => { setTimeout(resolve, 20); });
}
