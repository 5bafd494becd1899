async () => {
  const { NotNow, sendAll } = await import("/static/js/run/sync.js");
  for (let tries = 0; tries < 200; tries += 1) {
    try { if ((await sendAll()) === 0) return true; } catch (error) { if (!(error instanceof NotNow)) throw error; }
  }
  return false;
}
