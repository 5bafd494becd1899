// What stands around the step: site and runbook, banners, the three words of the sync, the rail.

import { at, fill, h, icon } from "./dom.js";
import { stepName } from "./step.js";
import { clock, flaggedWords, languageWords, skewWords, span } from "./words.js";

const SKEW_SHOWN_MS = 120_000;
const WORDS = { DONE: "Done", ABORTED: "Abandoned", FAILED: "Failed" };

/** Where and what: the site, the runbook and its edition, the language it is in. */
export function drawHead(view) {
  const { site, node, runbook } = view.run;
  at("site").textContent = site.name;
  at("book").textContent = `${runbook.title}, version ${runbook.version}${node ? ` · ${node}` : ""}`;
  document.title = `${runbook.title} · ${site.name} · Hearthwatch`;
  at("main").lang = runbook.language || "en";
}

/** What concerns the whole run, in sentences; the worst first. */
export function drawBanners(view) {
  const { run, pack, zone } = view;
  const lines = [];
  if (run.ended_at) {
    const how = WORDS[String(run.state).toUpperCase()] ?? "Ended";
    lines.push(["p2", `${how} on the server at ${clock(run.ended_at, zone)}. Your entries are still kept, marked as after the end.`]);
  } else if (run.paused) {
    lines.push(["p2", `Paused by the desk${run.reason ? `: ${run.reason}` : ""}. Your entries are still kept.`]);
  }
  if (view.flagged.length) lines.push(["p2", flaggedWords(view.flagged)]);
  if (Math.abs(view.offset) > SKEW_SHOWN_MS) lines.push(["p2", skewWords(view.offset)]);
  const language = languageWords(run.runbook, view.language);
  if (language) lines.push(["", language]);
  const newer = run.newer ?? pack.newer;
  if (newer) {
    const ago = newer.published_at ? `, published ${span((Date.now() + view.offset - Date.parse(newer.published_at)) / 1000)} ago` : "";
    lines.push(["", `Version ${newer.version} is out${ago}. Finish version ${run.runbook.version}, or let the lead move the run.`]);
  }
  if (view.hasKey && view.refusal) lines.push(["p2", `${view.refusal} What you enter is sent all the same and kept aside for the lead.`]);
  if (!view.hasKey) lines.push(["p2", "This tablet has no key for the run yet: what you enter is saved here and sent once you have logged in or scanned the code of the desk."]);
  fill(at("banners"), lines.map(([kind, text]) => h("p", { class: `note ${kind}` }, kind ? icon(kind) : null, h("span", {}, text))));
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

/** The rail: every step, where one stands, what is done; a tap goes there. */
export function drawRail(view, shown, go) {
  const rail = at("rail");
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
