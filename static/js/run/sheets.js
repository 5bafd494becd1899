// Sheets that come over the screen: a reason, a note, the last look before what cannot be undone,
// the safety text, what waits to be sent. One dialog, filled anew; Escape leaves it.

import { at, fill, h, icon } from "./dom.js";
import { callList } from "./kinds.js";
import { inline, markup } from "./markup.js";
import { skewWords } from "./banners.js";
import { clock, entryWords, span } from "./words.js";

function open(title, inside, buttons) {
  const sheet = at("sheet");
  const close = () => sheet.close();
  fill(sheet, h("h2", { id: "sheet-title" }, title), inside,
    h("div", { class: "sheetfoot" }, buttons.map(({ label, press, isMain }) => h("button", {
      class: isMain ? "tap main" : "tap ghost", type: "button",
      onclick: async () => { if (!press || (await press()) !== false) close(); },
    }, label))));
  if (!sheet.open) sheet.showModal();
  sheet.scrollTop = 0;
  return sheet;
}

const REASONS = {
  step_cannot: ["Cannot do", "Why can it not be done?", "cannot be done"],
  step_skipped: ["Skip this step", "Why is it skipped?", "skipped"],
  step_done: ["Without an answer", "Who said yes, and how? Or why can it not wait?", ""],
  refused: ["Refuse", "Why is it refused?", "refused"],
};

function words(label, most, rows, typed) {
  const field = h("textarea", {
    id: "sheet-words", maxLength: most, rows, value: typed.text, "aria-describedby": "sheet-fault",
    oninput: () => typed.keep(field.value),
  });
  const fault = h("p", { class: "fault", id: "sheet-fault", role: "alert" });
  const take = (complaint) => {
    const text = field.value.trim();
    if (!text) { fault.textContent = complaint; field.focus(); }
    return text;
  };
  return { inside: h("div", { class: "entry" }, h("label", { htmlFor: "sheet-words" }, label), field, fault), take };
}

/** Ask why a step is not done; the entry is made only with a reason. */
export function askReason(step, kind, typed, enter) {
  const [title, label, outcome] = REASONS[kind];
  const { inside, take } = words(label, 300, 3, typed);
  open(`${title}: step ${step.number}`, inside, [
    { label: "Go back" },
    { label: "Save", isMain: true, press: () => {
      const reason = take("Say why in a few words, then save.");
      return reason ? enter(step, kind, { reason }, { said: `Saved: step ${step.number} ${outcome}.` }) : false;
    } },
  ]);
}

/** Write a note at a step. */
export function askNote(step, typed, enter) {
  const { inside, take } = words("What should others know?", 1000, 5, typed);
  open(`Note at step ${step.number}`, inside, [
    { label: "Go back" },
    { label: "Save the note", isMain: true, press: () => {
      const note = take("Write the note, then save.");
      return note ? enter(step, "noted", { note }, { said: "Saved: your note.", stays: true }) : false;
    } },
  ]);
}

/** The last look before what cannot be undone. */
export function askGate(step, goOn) {
  open("This cannot be undone", [
    h("p", {}, h("b", {}, inline(step.title))),
    h("p", { class: "note p1" }, icon("p1"), h("span", {}, step.warning ? inline(step.warning)
      : "What it stops or takes away does not come back by itself.")),
    step.warning ? null : markup(step.body),
    h("p", {}, "See that it is the right machine at the right site before you go on."),
  ], [{ label: "Go back" }, { label: "I have read it, go on", isMain: true, press: goOn }]);
}

/** Taking back asks first: the entry stays in the log, it only no longer counts. */
export function askTakeBack(step, entry, goOn) {
  open(`Take back your entry at step ${step.number}?`, [
    h("p", {}, h("b", {}, entryWords(entry, step))),
    h("p", {}, "The step is open again. The entry stays in the log, marked as taken back."),
  ], [{ label: "Keep it" }, { label: "Take it back", isMain: true, press: goOn }]);
}

const SECTIONS = [["safety", "Safety"], ["meaning", "What it means"], ["impact", "What it harms"], ["verify", "When it is over"], ["escalate", "Escalate"]];

/** What the runbook says beside its steps, in which language, and whom to call. */
export function showSafety(view, language) {
  const sections = SECTIONS.filter(([key]) => view.pack.sections?.[key]);
  open("Safety and meaning", [
    language,
    sections.map(([key, title]) => h("section", {}, h("h3", {}, title), markup(view.pack.sections[key]))),
    h("section", {}, h("h3", {}, "This site"), h("p", {}, view.run.site.place || view.run.site.name)),
    view.pack.contacts?.length ? h("section", {}, h("h3", {}, "Who helps"), callList(view.pack.contacts)) : null,
  ], [{ label: "Back to the step", isMain: true }]);
}

/** What waits here, what was flagged, and a button to send now. */
export function showSync(view, state, sendNow) {
  const behind = Math.abs(view.offset) > 120_000;
  const refused = view.photos.filter((photo) => photo.state === "refused");
  const list = (title, entries, tail) => (entries.length ? h("section", {}, h("h3", {}, title),
    h("ul", { class: "history" }, entries.map((entry) => h("li", {},
      `${clock(entry.at, view.zone)} ${placeOf(view, entry)}${entryWords(entry, stepOf(view, entry))}${tail(entry)}`)))) : null);
  open(state.sentence, [
    h("p", {}, state.left ? "It stays on this tablet until the server has said that it keeps it. You may close the tablet."
      : refused.length ? "All entries are on the server, not all photos." : "Everything that was entered here is on the server."),
    h("p", { class: "dim" }, `The run was heard of last at ${clock(view.heardAt, view.zone)}, ${span((Date.now() - Date.parse(view.heardAt)) / 1000)} ago.`),
    state.trouble ? h("p", { class: "note" }, state.trouble) : null,
    behind ? h("p", { class: "note p2" }, icon("p2"), skewWords(view.offset)) : null,
    list("Waiting", view.entries.filter((entry) => entry.state === "waiting"), () => ""),
    list("Flagged by the server, kept for the desk", view.flagged, (entry) => `: ${entry.message || entry.code}`),
    list("Photos the server did not take", refused
      .map((photo) => ({ at: Date.now(), kind: "noted", input: { note: photo.message } })), () => ""),
  ], [{ label: "Close" }, { label: "Send now", isMain: true, press: sendNow }]);
}

function placeOf(view, entry) {
  const step = stepOf(view, entry);
  return step ? `Step ${step.number}: ` : "";
}

function stepOf(view, entry) {
  return view.steps.find((step) => step.id === entry.step);
}

/** Ask what the person is called, where no login says it. */
export function askName(keep) {
  const field = h("input", { id: "sheet-words", maxLength: 60, autocomplete: "name" });
  const fault = h("p", { class: "fault", role: "alert" });
  open("Who are you?", h("div", { class: "entry" },
    h("label", { htmlFor: "sheet-words" }, "Your name, as it shall stand in the log"), field, fault), [
    { label: "Save", isMain: true, press: () => {
      if (field.value.trim()) return keep(field.value.trim());
      fault.textContent = "Write your name, then save.";
      return false;
    } },
  ]);
}
