// Steps that wait: for time to pass, for somebody else, for a machine. Other steps may go on.

import { h, icon } from "./dom.js";
import { numberField } from "./kind_reading.js";
import { inline } from "./markup.js";
import { bounds, clock, span } from "./words.js";

export function wait({ step, view, standing, write, done }) {
  const seconds = step.wait_seconds ?? 0;
  if (standing.until === null) {
    const press = () => write("timer_started", { until: new Date(Date.now() + seconds * 1000).toISOString() },
      { said: `The timer runs: ${span(seconds)}.`, stays: true });
    return { body: [h("p", { class: "way" }, `Wait ${span(seconds)}. Other steps may go on meanwhile.`)],
      main: { label: `Start the timer, ${span(seconds)}`, press } };
  }
  if (standing.outcome === "waiting") {
    return { body: [h("div", { class: "waiting" }, h("p", { class: "left", role: "timer", "data-until": standing.until }, ""),
      h("p", {}, `Until ${clock(standing.until, view.zone)}. Other steps may go on meanwhile.`))] };
  }
  return { body: [h("p", { class: "way" }, "The time is over.")], main: { label: "Done", press: () => done({}) } };
}

const APPROVERS = { operator: "an operator", engineer: "an engineer", owner: "the site's owner" };

export function approval({ step, standing, write, acts }) {
  const who = APPROVERS[step.approver] ?? "somebody else";
  const ask = () => write("approval_asked", {}, { said: `Saved: ${who} is asked.`, stays: true });
  if (standing.outcome === "waiting") {
    const box = h("div", { class: "waiting" }, h("p", {}, h("b", {}, `Asked. ${capital(who)} answers, at the desk or logged in here.`)),
      h("p", {}, "The answer appears here once there is network. Other steps may go on meanwhile."));
    acts.offerAnswer(step, box);
    return { body: [box], main: null };
  }
  const refused = standing.answer === "refused"
    ? [h("p", { class: "note p2" }, icon("p2"), h("span", {}, "Refused. See the reason below; ask again when it is settled."))] : [];
  return { body: [...refused, h("p", { class: "way" }, `This needs the word of ${who}, not yours.`)],
    main: { label: standing.answer ? "Ask again" : "Ask for approval", press: ask } };
}

const ANSWERS = {
  verify_failed: "Hearthwatch looked: it is not as it should be. Look again, or enter what you see yourself.",
  outcome_unknown: "Hearthwatch could not tell. Look yourself before anything is done again.",
};

export function verify(context) {
  const { step, standing, write, done, draft } = context;
  const ask = () => write("verify_asked", {}, { said: "Saved: Hearthwatch is asked to look.", stays: true });
  const { box, take } = numberField(context);
  const byHand = h("details", { class: "byhand", open: draft.open ?? (!navigator.onLine || Boolean(standing.answer)),
    ontoggle: () => { draft.open = byHand.open; } },
  h("summary", {}, "Or enter what you read yourself"), box,
  h("button", { class: "tap ghost", type: "button", onclick: () => { const input = take(); if (input) done(input); } }, "Save my reading"));
  const within = bounds(step);
  const body = [h("p", { class: "way" }, `Hearthwatch can read it itself${within ? `: it is well when ${within}` : ""}.`)];
  if (standing.outcome === "waiting") {
    body.push(h("div", { class: "waiting" }, h("p", {}, h("b", {}, "Hearthwatch is asked to look.")),
      h("p", {}, "Its answer appears here once there is network. Other steps may go on meanwhile.")));
  } else if (standing.answer) {
    body.push(h("p", { class: "note p2" }, icon("p2"), h("span", {}, ANSWERS[standing.answer] ?? standing.answer,
      step.otherwise ? [h("b", {}, " Not as expected: "), inline(step.otherwise)] : null)));
  }
  const main = standing.outcome === "waiting" ? null : { label: standing.answer ? "Ask again" : "Ask Hearthwatch to look", press: ask };
  return { body: [...body, byHand], main, hasExpect: true };
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
