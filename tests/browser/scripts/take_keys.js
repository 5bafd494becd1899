async (runs) => {
  const { ensureKey, fetchPack, session } = await import("/static/js/run/pack.js");
  for (const run of runs) { await fetchPack(run); await ensureKey(run, await session()); }
}
