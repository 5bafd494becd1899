// Wait until a run is kept in a language.
async ([id, language]) => {
  const { viewOf } = await import("/static/js/run/pack.js");
  for (let tries = 0; tries < 500; tries += 1) {
    if ((await viewOf(id)).run.runbook.language === language) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error(`The run is not kept in ${language}.`);
}
