// Where a run stands: its steps and its log in, an outcome for each step out.
// The twin of runbooks/library/progress.py; tests/vectors/run_progress.json holds both to it.

const UNDONE = ["open", "waiting", "disputed", "cannot"];
const VOTES = { step_done: "done", step_cannot: "cannot", step_skipped: "skipped", verified: "done" };
const COMPARED = {
  reading: ["value", "unit"], check: ["is_as_expected"], choice: ["choice"], branch: ["choice"], scan: ["code"],
};
const STATES = { approval: "waiting_approval", timer: "waiting_timer", person: "waiting_human" };

/** Where a run of these steps stands with these entries, in the log's order, at `now`. */
export function progressOf(steps, entries, now = Date.now()) {
  const log = standing(entries.map(logged));
  const found = passOver(steps, steps.map(
    (step) => ofStep(step, log.filter((entry) => entry.step === step.id), now)));
  return summary(steps, found, log.some((entry) => entry.step));
}

/** Whether a number lies beyond the step's bounds, which are inclusive. */
export function isOutside(step, value) {
  if (typeof value !== "number") return false;
  const { min = null, max = null } = step;
  return (min !== null && value < min) || (max !== null && value > max);
}

/** What the log calls an option, whatever language it is shown in; packs of before know its label only. */
export function choiceOf({ choice, label }) {
  return choice ?? label;
}

function logged(entry) {
  return {
    ...entry, step: entry.step ?? "", input: entry.input ?? {}, device: entry.device ?? "",
    count: entry.count ?? null, person: String(entry.by_id ?? entry.by ?? ""), isEngine: entry.channel === "engine",
  };
}

function named(entry, name) {
  return String(entry.id ?? "") === name || (entry.count !== null && `${entry.device}:${entry.count}` === name);
}

function writer(entry) {
  return JSON.stringify(entry.isEngine ? ["engine", ""] : [entry.person, entry.device]);
}

function standing(entries) {
  const seen = new Set();
  const log = entries.filter((entry) => {
    const key = `${entry.device}:${entry.count}`;
    if (entry.count === null) return true;
    return seen.has(key) ? false : seen.add(key);
  });
  const takers = log.filter((entry) => entry.kind === "taken_back");
  return log.filter((entry) => !isTakenBack(entry, takers));
}

/** Its writer took it back: the same person, or the same device. */
function isTakenBack(entry, takers) {
  if (entry.isEngine || entry.kind === "taken_back") return false;
  return takers.some((taker) => named(entry, String(taker.input.entry ?? ""))
    && ((taker.person && taker.person === entry.person) || (taker.device && taker.device === entry.device)));
}

function made(id, facts = {}) {
  return { id, outcome: "open", waitsFor: "", until: null, answer: "", counts: null, said: [], isOutside: false, barredBy: [], isUndecided: false, ...facts };
}

function ofStep(step, log, now) {
  if (step.kind === "approval") return approval(step, log);
  const said = lastWords(log);
  if (said.length) return settled(step, said, log);
  if (step.kind === "wait") return timer(step, log, now);
  return step.kind === "verify" ? verification(step, log) : made(step.id);
}

function lastWords(log) {
  const last = new Map();
  log.forEach((entry, place) => {
    if (!VOTES[entry.kind]) return;
    // A device's own count, not the order of arrival; of two under one count the later one.
    const count = entry.count ?? entry.input.count;
    const rank = count ? [0, count] : [1, place];
    const before = last.get(writer(entry));
    const isLater = !before || rank[0] > before.rank[0]
      || (rank[0] === before.rank[0] && rank[1] >= before.rank[1]);
    if (isLater) last.set(writer(entry), { rank, entry });
  });
  return [...last.keys()].sort(byWriter).map((key) => last.get(key).entry);
}

function byWriter(one, other) {
  const [[person, device], [second, elsewhere]] = [JSON.parse(one), JSON.parse(other)];
  if (person !== second) return person < second ? -1 : 1;
  return device < elsewhere ? -1 : Number(device > elsewhere);
}

function settled(step, said, log) {
  let counts = chosen(said, log);
  if (!counts) {
    const words = said.map((entry) => JSON.stringify(saidOf(step, entry)));
    if (words.some((word) => word !== words[0])) return made(step.id, { outcome: "disputed", said });
    counts = said[0];
  }
  const outcome = VOTES[counts.kind];
  const outside = outcome === "done" && isOutside(step, counts.input.value);
  return made(step.id, { outcome, counts, said, isOutside: outside });
}

/** The entry the lead chose last, while it is still what its writer says. */
function chosen(said, log) {
  const choices = log.filter((entry) => entry.kind === "counted").map((entry) => String(entry.input.entry ?? ""));
  return choices.length ? said.find((entry) => named(entry, choices.at(-1))) ?? null : null;
}

function saidOf(step, entry) {
  const outcome = VOTES[entry.kind];
  const keys = outcome === "done" ? COMPARED[step.kind] ?? [] : [];
  return [outcome, ...keys.map((key) => entry.input[key] ?? null)];
}

function timer(step, log, now) {
  const ends = log.filter((entry) => entry.kind === "timer_started").map(endOf).filter((end) => end !== null);
  if (!ends.length) return made(step.id);
  // The latest of several: who started it again wants it to last.
  const until = Math.max(...ends);
  return now < until ? made(step.id, { outcome: "waiting", waitsFor: "timer", until }) : made(step.id, { until });
}

/** The end of a wait by the server's clock; null where it is no moment. */
function endOf(entry) {
  const text = String(entry.input.until ?? "");
  const moment = /(Z|[+-]\d\d:?\d\d)$/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(moment) ? null : moment - (entry.skew ?? 0) * 1000;
}

/** An approval is asked for by one and given by another; the last answer counts. Who asks after it was
 *  left takes it up again. */
function approval(step, log) {
  const askers = new Set(log.filter((entry) => entry.kind === "approval_asked").map((entry) => entry.person));
  const skipped = lastWords(log).filter((entry) => entry.kind !== "step_done");
  let last = null, isLeft = false;
  for (const entry of log) {
    const isAnswer = ["approved", "refused"].includes(entry.kind) && !askers.has(entry.person);
    if (entry.kind === "approval_asked" || (isAnswer && askers.size)) [last, isLeft] = [entry, false];
    else if (skipped.includes(entry)) isLeft = true;
  }
  if (last?.kind === "approved") return made(step.id, { outcome: "done", counts: last, said: [last, ...skipped] });
  if (isLeft) return settled(step, skipped, log);
  if (!last) return made(step.id);
  if (last.kind === "refused") return made(step.id, { answer: "refused" });
  return made(step.id, { outcome: "waiting", waitsFor: "approval" });
}

function verification(step, log) {
  const kinds = ["verify_asked", "verify_failed", "outcome_unknown"];
  const last = log.findLast((entry) => kinds.includes(entry.kind))?.kind ?? "";
  if (last === "verify_asked") return made(step.id, { outcome: "waiting", waitsFor: "verify" });
  return made(step.id, { answer: last });
}

/** Go round the steps between a branch and where its chosen option leads; bar what must be. */
function passOver(steps, found) {
  const places = new Map([...steps.map((step, place) => [step.id, place]), ["end", steps.length]]);
  let resume = 0;
  // The answers that are missing on the way, and the approvals that were gone round.
  const missing = [], evaded = [];
  return steps.map((step, place) => {
    const isRound = place < resume;
    const one = isRound ? passed(found[place]) : undecided(step, found[place]);
    if (step.is_destructive) one.barredBy = isRound ? [...missing, ...evaded] : [...missing];
    if (one.isUndecided || (step.kind === "approval" && one.outcome !== "done")) (isRound ? evaded : missing).push(step.id);
    if (!isRound) resume = Math.max(resume, places.get(optionOf(step, one)?.goto ?? "") ?? 0);
    return one;
  });
}

/** What is open is passed over; an approval that somebody asked for may be given all the same. */
function passed(one) {
  if (!["open", "waiting"].includes(one.outcome)) return { ...one };
  return made(one.id, { outcome: "passed", waitsFor: one.waitsFor === "approval" ? "approval" : "" });
}

function optionOf(step, { outcome, counts }) {
  return outcome === "done" && counts ? (step.options ?? []).find((one) => choiceOf(one) === counts.input.choice) : undefined;
}

/** A branch that was left, or whose answer is none of this edition's. */
function undecided(step, one) {
  const isStale = one.outcome === "done" && !optionOf(step, one);
  return { ...one, isUndecided: step.kind === "branch" && (isStale || ["cannot", "skipped", "disputed"].includes(one.outcome)) };
}

function summary(steps, found, hasBegun) {
  const current = found.find((step) => ["open", "waiting"].includes(step.outcome) || step.isUndecided);
  const ids = (test) => found.filter(test).map((step) => step.id);
  const mandatory = new Set(steps.filter((step) => step.is_mandatory).map((step) => step.id));
  const disputed = ids((step) => step.outcome === "disputed");
  let waitsFor = "";
  if (current) waitsFor = current.waitsFor || (current.answer || current.isUndecided ? "person" : "");
  else if (disputed.length) waitsFor = "person";
  return {
    steps: found, state: hasBegun ? STATES[waitsFor] ?? "in_progress" : "created",
    current: current?.id ?? "", waitsFor, until: current?.until ?? null,
    undone: ids((step) => mandatory.has(step.id) && UNDONE.includes(step.outcome)),
    unable: ids((step) => mandatory.has(step.id) && step.outcome === "cannot"), disputed,
  };
}
