// Wait until nothing waits on this tablet any more but what is `stuck` in one run, whatever a screen says.
async (stuck) => {
  const { backlog } = await import("/static/js/run/outbox.js");
  for (let tries = 0; tries < 4000; tries += 1) {
    if (!(await backlog()).runs.some((run) => run !== stuck)) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error("Something still waits.");
}
