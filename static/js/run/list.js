// All steps at a glance, and the screen after the last.

import { h, icon } from "./dom.js";
import { inline } from "./markup.js";
import { clock, entryWords, many, outcomeWords } from "./words.js";

const MARKS = { done: "check", cannot: "p2", disputed: "p2", waiting: "maint", skipped: "down", passed: "down", open: "ok" };
const OUTCOMES = ["Done", "Skipped", "Cannot be done"];

function line(view, step, place, go) {
  const standing = view.progress.steps[place];
  const entry = standing.counts;
  return h("li", { class: standing.outcome }, h("button", {
    type: "button", class: "stepline", onclick: () => go(step.id),
    "aria-current": step.id === view.progress.current ? "step" : null,
  }, h("span", { class: "n" }, `${step.number}`), h("span", { class: "t" }, inline(step.title)),
  h("span", { class: "s" }, icon(MARKS[standing.outcome] ?? "ok"), ` ${outcomeWords(standing.outcome)}`, step.who === "noc" ? " · for the NOC" : "",
    entry ? h("span", { class: "dim" }, `${detail(entry, step)} · ${entry.by || "Hearthwatch"} ${clock(entry.at ?? entry.received_at, view.zone)}`) : null)));
}

/** What an entry says beyond its outcome, which stands before it. */
function detail(entry, step) {
  const [first, ...rest] = entryWords(entry, step).split(" · ");
  const words = OUTCOMES.includes(first) ? rest : [first, ...rest];
  return words.length ? `: ${words.join(" · ")}` : "";
}

/** Every step in a list; a tap goes there. */
export function drawList(view, go) {
  const done = view.progress.steps.filter((step) => ["done", "skipped", "passed"].includes(step.outcome)).length;
  return [h("div", { class: "runmain wide" },
    h("h1", { id: "step-title", tabIndex: -1 }, "All steps"),
    h("p", { class: "how" }, `${done} of ${view.steps.length} settled, about ${view.run.runbook.minutes ?? "?"} min in all.`),
    h("ol", { class: "steplist" }, view.steps.map((step, place) => line(view, step, place, go))))];
}

/** The end: what is done, what is left, whether it is safe, and what happens now. */
export function drawEnd(view, state, go) {
  const { undone, unable, disputed } = view.progress;
  const left = undone.map((id) => view.steps.findIndex((step) => step.id === id));
  const title = left.length ? `${many(left.length, "step that must be done is", "steps that must be done are")} left` : "All steps are entered";
  const loose = view.steps.map((step, place) => ({ step, place }))
    .filter(({ step }) => view.photos.some((photo) => photo.draftFor === step.id));
  const safe = state.left
    ? `${many(state.left, "entry waits", "entries wait")} on this tablet. Leave it on, or open it again where there is network.`
    : view.photos.some((photo) => photo.state === "refused") ? "All entries are on the server, not all photos." : "Everything is on the server.";
  return [h("div", { class: "runmain wide" },
    h("p", { class: "stepno" }, "After the last step"),
    h("h1", { id: "step-title", tabIndex: -1 }, title),
    h("p", { class: "how" }, safe),
    left.length ? h("ol", { class: "steplist" }, left.map((place) => line(view, view.steps[place], place, go))) : null,
    loose.length ? h("p", { class: "note p2 loose" }, icon("p2"), h("span", {}, "A photo goes with no entry yet and is not sent. Enter the step, or write a note there.")) : null,
    loose.length ? h("ol", { class: "steplist" }, loose.map(({ step, place }) => line(view, step, place, go))) : null,
    unable.length ? h("p", { class: "note p2" }, icon("p2"), h("span", {}, "What cannot be done goes to the lead, with your reason.")) : null,
    disputed.length ? h("p", { class: "note p2" }, icon("p2"), h("span", {}, `At ${many(disputed.length, "step", "steps")} two people entered different things. The lead chooses.`)) : null,
    h("p", { class: "how" }, view.run.ended_at ? "The run has ended on the server."
      : `${view.run.lead || "The lead"} closes the run at the desk. Put the tools away, close the doors, sign out at the site.`))];
}
