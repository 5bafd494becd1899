// What stands around the step: site and runbook, the three words of the sync, the rail.

import { at, fill, h } from "./dom.js";
import { stepName } from "./step.js";
import { clock } from "./words.js";

/** Where and what: the site, the runbook and its edition, the language it is in. */
export function drawHead(view) {
  const { site, node, runbook } = view.run;
  at("site").textContent = site.name;
  at("book").textContent = `${runbook.title}, version ${runbook.version}${node ? ` · ${node}` : ""}`;
  document.title = `${runbook.title} · ${site.name} · Hearthwatch`;
  at("main").lang = runbook.language || "en";
}

/** One of exactly three plain states. */
export function syncSentence({ left, isSending, sentAt }, zone) {
  if (isSending && left) return "Sending";
  if (left) return `Saved here, ${left} waiting`;
  return sentAt ? `All sent ${clock(sentAt, zone)}` : "All sent";
}

/** Draw the state of the sync; the words are always in view. */
export function drawSync(state, zone) {
  const sentence = syncSentence(state, zone);
  const chip = at("sync");
  const kind = state.isSending && state.left ? "sending" : state.left ? "waiting" : "sent";
  if (chip.dataset.state !== kind) chip.dataset.state = kind;
  if (at("sync-words").textContent !== sentence) at("sync-words").textContent = sentence;
  return sentence;
}

let railSays = "";

/** The rail: every step, where one stands, what is done; a tap goes there. */
export function drawRail(view, shown, go) {
  const rail = at("rail");
  // Made anew only where it changed: a tap on what is replaced meanwhile is lost.
  const says = JSON.stringify([shown, view.steps.map((step, place) => stepName(step, view.progress.steps[place].outcome))]);
  if (says === railSays) return;
  railSays = says;
  const held = document.activeElement?.closest?.("#rail button")?.dataset.step;
  fill(rail, view.steps.map((step, place) => {
    const { outcome } = view.progress.steps[place];
    const button = h("button", {
      type: "button", class: outcome, "data-step": step.id, "aria-label": stepName(step, outcome),
      "aria-current": step.id === shown ? "step" : null, onclick: () => go(step.id),
    }, h("span", { class: "mark", "aria-hidden": "true" }), `${step.number}`);
    return h("li", {}, button);
  }));
  if (held) rail.querySelector(`[data-step="${CSS.escape(held)}"]`)?.focus();
  const current = rail.querySelector("[aria-current]");
  if (current) rail.scrollLeft = current.offsetLeft - rail.clientWidth / 2 + current.clientWidth / 2;
}

/** Tell those who hear and those who see: a sentence for a moment. */
export function say(text) {
  at("said").textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { at("said").textContent = ""; }, 6000);
}
