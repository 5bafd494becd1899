async (cases) => {
  const { progressOf } = await import("/static/js/run/progress.js");
  const name = (entry) => (entry === null ? null : entry.count !== null ? `${entry.device}:${entry.count}` : String(entry.id));
  const moment = (time) => (time === null ? null : new Date(time).toISOString().replace(".000Z", "+00:00"));
  return cases.map(({ steps, entries, now }) => {
    const found = progressOf(steps, entries, Date.parse(now));
    const { state, current, undone, unable, disputed } = found;
    return { state, current, waits_for: found.waitsFor, until: moment(found.until), undone, unable, disputed,
      steps: found.steps.map((step) => ({ id: step.id, outcome: step.outcome, waits_for: step.waitsFor,
        until: moment(step.until), answer: step.answer, counts: name(step.counts), said: step.said.map(name),
        is_outside: step.isOutside, barred_by: step.barredBy, is_undecided: step.isUndecided })) };
  });
}
