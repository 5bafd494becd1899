// Random rounds: some entries to some run, some tries to send, now and then two at a time.
async ([runs, rounds, seed]) => {
  const { add } = await import("/static/js/run/outbox.js");
  const { NotNow, sendAll } = await import("/static/js/run/sync.js");
  let state = seed;
  const chance = () => { state = (state * 1103515245 + 12345) % 2147483648; return state / 2147483648; };
  const pick = (most) => Math.floor(chance() * most);
  const attempt = () => sendAll().catch((error) => { if (!(error instanceof NotNow)) throw error; });
  const written = [];
  for (let round = 0; round < rounds; round += 1) {
    const count = 1 + pick(4);
    for (let one = 0; one < count; one += 1) {
      const run = runs[pick(runs.length)];
      const note = `round ${round} \u00b5 ${one}`;
      const entry = await add(run, { kind: "noted", step: "", version: 1, by: "Kim", input: { note, value: chance() / 10 ** pick(9) } });
      written.push([run, entry.count]);
    }
    const tries = pick(2.4);
    for (let one = 0; one < tries; one += 1) await Promise.all(chance() < 0.2 ? [attempt(), attempt()] : [attempt()]);
  }
  return written;
}
