// The words of the tablet: times with their zone, lengths, and what an entry says.

import { choiceOf, isOutside } from "./progress.js";

/** "14:02 UTC+9" at the site. */
export function clock(moment, zone) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit", minute: "2-digit", timeZone: zone || "UTC", timeZoneName: "shortOffset",
  }).formatToParts(new Date(moment));
  const of = (type) => parts.find((part) => part.type === type)?.value ?? "";
  return `${of("hour")}:${of("minute")} ${of("timeZoneName").replace("GMT", "UTC").replace("UTC+0", "UTC")}`;
}

/** "3 h 5 min", "4 min 9 s", "40 s". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (whole >= 172_800) return `${Math.floor(whole / 86_400)} days`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${whole} s`;
}

/** "1 entry", "3 entries". */
export function many(count, one, more) {
  return `${count} ${count === 1 ? one : more}`;
}

/** A unit as people write it; runbooks write UCUM. */
export function unitWords(unit) {
  return unit === "Cel" ? "°C" : unit ?? "";
}

/** A number as people write it, with its unit. */
export function amount(value, unit) {
  return unit ? `${value} ${unitWords(unit)}` : `${value}`;
}

/** What a step's reading is expected to be, from its bounds; empty without any. */
export function bounds({ min, max, unit }) {
  const [low, high] = [min ?? null, max ?? null];
  if (low !== null && high !== null) return `between ${low} and ${amount(high, unit)}`;
  if (low !== null) return `at least ${amount(low, unit)}`;
  return high !== null ? `at most ${amount(high, unit)}` : "";
}

const OUTCOMES = {
  open: "open", done: "done", cannot: "cannot be done", skipped: "skipped",
  waiting: "waiting", disputed: "two entries, the lead chooses", passed: "passed over",
};

/** An outcome in words. */
export function outcomeWords(outcome) {
  return OUTCOMES[outcome] ?? outcome;
}

const KINDS = {
  step_cannot: "Cannot be done", step_skipped: "Skipped", approval_asked: "Approval asked for",
  approved: "Approved", refused: "Refused", timer_started: "Timer started",
  verify_asked: "Hearthwatch was asked to look", verified: "Verified", verify_failed: "Not as it should be",
  outcome_unknown: "The outcome is not known", noted: "Note", taken_back: "Taken back",
};

/** What one entry says, in a line. */
export function entryWords(entry, step = {}) {
  const given = entry.input ?? {};
  const said = [];
  if (entry.kind === "step_done") said.push(doneWords(given, step));
  else said.push(KINDS[entry.kind] ?? entry.kind.replaceAll("_", " "));
  if (given.sentence) said.push(given.sentence);
  if (given.reason) said.push(given.reason);
  if (given.note) said.push(given.note);
  if (entry.evidence?.length) said.push(many(entry.evidence.length, "photo", "photos"));
  return said.filter(Boolean).join(" · ");
}

function doneWords(given, step) {
  if (given.value !== undefined) {
    const outside = given.is_within === false || isOutside(step, given.value) ? ", outside the bounds" : "";
    return `${amount(given.value, given.unit ?? step.unit)}${outside}`;
  }
  if (given.is_as_expected !== undefined) return given.is_as_expected ? "As expected" : "Not as expected";
  if (given.choice !== undefined) return (step.options ?? []).find((one) => choiceOf(one) === given.choice)?.label ?? given.choice;
  if (given.code !== undefined) return `${given.code}${given.is_match === false ? ", another code" : ""}${scanWords(given)}`;
  if (given.said_to) return `Told ${given.said_to}`;
  return "Done";
}

/** That the tablet judged a scan otherwise than the server, whose word counts. */
function scanWords({ device_is_match: claimed }) {
  return claimed === undefined ? "" : `; the tablet took it for ${claimed === true ? "the right" : "another"} code`;
}
