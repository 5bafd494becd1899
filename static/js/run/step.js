// One step on the screen: what to do, what to expect, what was entered, and the buttons.

import { h, icon } from "./dom.js";
import { drawKind, kindOf } from "./kinds.js";
import { inline, markup, plain } from "./markup.js";
import { isOutside } from "./progress.js";
import { clock, entryWords, outcomeWords } from "./words.js";

const SETTLED = ["done", "cannot", "skipped", "disputed"];
// These say by themselves what to do when it is not as expected.
const TELLS = ["check", "reading", "scan", "verify"];
const MARKS = { done: "check", cannot: "p2", skipped: "down", disputed: "p2" };

/** Draw a step; `acts` is what the buttons do, `memory` what is typed or opened at this step. */
export function drawStep(view, step, acts, memory) {
  const standing = view.progress.steps.find((one) => one.id === step.id);
  const context = contextOf(view, step, standing, acts, memory);
  const isSettled = SETTLED.includes(standing.outcome) && !memory.again;
  const bar = step.is_destructive && !isSettled ? kindOf("bar")(context) : null;
  const form = isSettled ? settled(context) : bar ?? drawKind(context);
  return { main: body(context, form, isSettled), foot: foot(context, form, isSettled) };
}

function contextOf(view, step, standing, acts, memory) {
  const reason = step.is_destructive ? kindOf("reason")({ view, standing, memory }) : "";
  const write = (kind, input, options) => acts.enter(step, kind, reason ? { ...input, reason } : input, options);
  return {
    view, step, steps: view.steps, standing, acts, memory, draft: memory.draft,
    photos: view.photos.filter((photo) => photo.draftFor === step.id),
    done: (input, options) => write("step_done", input, options), write,
    fault: (text, field) => acts.fault(text, field),
    takePhoto: () => acts.takePhoto(step),
  };
}

function body({ step, view, standing, acts, memory, photos }, form, isSettled) {
  const expects = step.expect && !form.hasExpect && !isSettled;
  return [
    h("div", { class: "runmain" },
      h("p", { class: "stepno" }, `Step ${step.number} of ${view.steps.length}`, flags(step)),
      h("h1", { id: "step-title", tabIndex: -1 }, inline(step.title)),
      step.who === "noc" && !isSettled ? h("p", { class: "note" }, "The NOC does this step. Go on once they say that it is done.") : null,
      step.warning ? h("p", { class: "note p1 warning" }, icon("p1"), h("span", {}, h("b", {}, "Warning. "), inline(step.warning))) : null,
      step.body ? h("div", { class: "how" }, markup(step.body)) : null,
      expects ? h("div", { class: "expect" }, h("b", {}, "Expected: "), inline(step.expect)) : null,
      step.otherwise && !isSettled && !TELLS.includes(step.kind) ? h("div", { class: "expect" }, h("b", {}, "If not: "), inline(step.otherwise)) : null,
      standing.outcome === "passed" ? h("p", { class: "note" }, "Passed over: an answer before goes on further down. It may be entered all the same.") : null,
      h("p", { id: "fault", class: "fault", role: "alert" }),
      form.body ?? [],
      isSettled && standing.counts && isOff(standing.counts, step) && step.otherwise
        ? h("div", { class: "note p2" }, icon("p2"), h("div", {}, h("b", {}, "Not as expected: "), inline(step.otherwise))) : null,
      drafts(photos, acts),
      history(view, step, standing),
      h("div", { class: "asides" },
        h("button", { class: "quiet", type: "button", onclick: () => acts.note(step) },
          memory.words.noted ? "Go on with your note" : "Write a note"),
        isSettled ? h("button", { class: "quiet", type: "button", onclick: () => { memory.again = true; acts.redraw(); } }, "Enter it again") : null)),
    step.picture ? h("figure", { class: "pic" },
      acts.picture(step.picture), h("figcaption", { "aria-hidden": "true" }, step.picture.alt)) : null,
  ];
}

/** Whether an entry says that something is not as it should be. */
function isOff({ kind, input }, step) {
  return kind === "step_cannot" || isOutside(step, input?.value) || [input?.is_as_expected, input?.is_within, input?.is_match].includes(false);
}

const WHO = { noc: " · for the NOC", "on-site": " · on site" };

function flags(step) {
  return [WHO[step.who] ?? "", step.is_mandatory ? " · must be done" : "", step.is_destructive ? " · cannot be undone" : ""].join("");
}

function drafts(photos, acts) {
  if (!photos.length) return null;
  return h("ul", { class: "photos", "aria-label": "Photos that go with your entry" }, photos.map((photo, place) =>
    h("li", {}, acts.thumbnail(photo), h("button", { class: "tap ghost", type: "button", onclick: () => acts.dropPhoto(photo) },
      `Remove photo ${place + 1}`))));
}

/** Who entered it, or both sides where they differ. */
function settled({ step, view, standing, acts }) {
  const said = standing.said.length ? standing.said : [standing.counts];
  const isDisputed = standing.outcome === "disputed";
  const lead = view.run.lead || "The lead";
  const isLead = Boolean(view.me) && view.me.id === view.run.lead_id;
  const cards = said.map((entry) => h("li", { class: "said" },
    h("p", {}, icon(isOff(entry, step) ? "p2" : MARKS[VOTE[entry.kind]] ?? "check"), h("b", {}, ` ${entryWords(entry, step)}`)),
    h("p", { class: "dim" }, `${entry.by}, ${clock(entry.at ?? entry.received_at, view.zone)}${entry.device === view.device ? ", this tablet" : ""}`),
    isDisputed && isLead && typeof entry.id === "number"
      ? h("button", { class: "tap ghost", type: "button", onclick: () => acts.enter(step, "counted", { entry: entry.id }, { stays: true, said: "Saved: this entry counts." }) }, "This one counts") : null));
  const mine = said.find((entry) => entry.device === view.device && entry.kind !== "verified");
  return {
    body: [step.is_destructive ? kindOf("undone")({ view, standing }) : null,
      standing.isUndecided && !isDisputed ? h("p", { class: "note p2" }, icon("p2"),
        h("span", {}, "Nobody knows yet which way to go on. Ask the NOC, and enter it again once you know.")) : null,
      isDisputed ? h("p", { class: "note p2" }, icon("p2"), h("span", {}, `Two different entries. ${lead} chooses which counts; both are kept.`)) : null,
      h("ul", { class: "sides", "aria-label": "What was entered" }, cards)],
    main: acts.next(step),
    others: mine ? [{ label: "Take back", press: () => acts.takeBack(step, mine) }] : [],
  };
}

const VOTE = { step_done: "done", step_cannot: "cannot", step_skipped: "skipped", verified: "done", approved: "done" };

function history(view, step, standing) {
  const all = view.entries.filter((entry) => entry.step === step.id && entry.kind !== "counted");
  const shown = new Set(SETTLED.includes(standing.outcome) ? standing.said.map((entry) => entry.id) : []);
  const rest = all.filter((entry) => !shown.has(entry.id));
  if (!rest.length) return null;
  return h("ul", { class: "history", "aria-label": "Entered before" }, rest.slice(-6).map((entry) =>
    h("li", {}, `${clock(entry.at ?? entry.received_at, view.zone)} ${entry.by || "Hearthwatch"}: ${entryWords(entry, step)}`,
      entry.state === "flagged" ? " · flagged" : "", entry.is_after_end ? " · after the end" : "")));
}

function foot({ step, acts }, form, isSettled) {
  const ghost = (label, press, isAnswer) => h("button", { class: isAnswer ? "tap answer" : "tap ghost", type: "button", onclick: press }, label);
  const leave = isSettled ? [] : [
    ghost("Cannot do", () => acts.reason(step, "step_cannot")),
    ghost("Skip, say why", () => acts.reason(step, "step_skipped")),
  ];
  const picture = form.hasPhoto ? [] : [ghost("Photo", () => acts.takePhoto(step))];
  const others = (form.others ?? []).map(({ label, press, isAnswer }) => ghost(label, press, isAnswer));
  const main = form.main ?? acts.next(step);
  return [...leave, ...picture, ...others,
    h("button", { class: form.main ? "tap main" : "tap main calm", id: "main-act", type: "button", onclick: main.press }, main.label)];
}

/** The name of a step for lists and for those who hear it. */
export function stepName(step, outcome) {
  return `Step ${step.number}, ${plain(step.title)}, ${step.who === "noc" ? "for the NOC, " : ""}${outcomeWords(outcome)}`;
}
