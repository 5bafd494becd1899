// Wait until a run is kept in a language.
async ([id, language]) => {
  const { viewOf } = await import("/static/js/run/pack.js");
  while ((await viewOf(id)).run.runbook.language !== language) await new Promise((resolve) => { setTimeout(resolve, 20); });
}
