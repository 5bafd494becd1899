// What concerns the whole run: banners over the step, fetched after the first screen.

import { at, fill, h, icon } from "./dom.js";
import { clock, many, span } from "./words.js";

const SKEW_SHOWN_MS = 120_000;
const PRESENT_MS = 90_000;
const WORDS = { DONE: "Done", ABORTED: "Abandoned", FAILED: "Failed" };

/** The clock of the tablet against the server's, in words. */
export function skewWords(offset) {
  const way = offset > 0 ? "behind" : "ahead of";
  return `This tablet's clock is ${span(Math.abs(offset) / 1000)} ${way} the server's. Entries carry both times.`;
}

/** What people here call a language. */
export function languageName(tag) {
  try { return new Intl.DisplayNames("en", { type: "language" }).of(tag); } catch { return tag; }
}

/** Why the steps are in another language than the tablet's; empty where they are not. */
export function languageWords({ language, languages = [] }, wanted) {
  const base = (tag) => tag.split("-")[0];
  const isThere = languages.includes(wanted);
  if (!wanted || wanted === language || (!isThere && base(wanted) === base(language))) return "";
  const shown = `shown in ${languageName(language)}.`;
  return isThere ? `In ${languageName(wanted)} once there is network, ${shown}` : `Not in ${languageName(wanted)} yet, ${shown}`;
}

/** What the server flagged, for the banner. */
export function flaggedWords(flagged) {
  const last = flagged.at(-1);
  return `${many(flagged.length, "entry was", "entries were")} flagged by the server and kept for the desk: ${last.message || last.code}`;
}

/** Who else has the run on a screen, as far as that was heard a moment ago. */
function othersWords({ others, steps, offset }) {
  const now = Date.now() + offset;
  return others.filter((one) => now - Date.parse(one.seen_at) < PRESENT_MS).map(({ name, step }) => {
    const number = steps.find((one) => one.id === step)?.number;
    return `${name} is on this run too${number ? `, at step ${number}` : ""}.`;
  });
}

/** What concerns the whole run, in sentences; the worst first. */
export function drawBanners(view, hasAsked) {
  const { run, pack, zone } = view;
  const lines = [];
  if (run.ended_at) {
    const how = WORDS[String(run.state).toUpperCase()] ?? "Ended";
    lines.push(["p2", `${how} on the server at ${clock(run.ended_at, zone)}. Your entries are still kept, marked as after the end.`]);
  } else if (run.paused) {
    lines.push(["p2", `Paused by the desk${run.reason ? `: ${run.reason}` : ""}. Your entries are still kept.`]);
  }
  if (view.flagged.length) lines.push(["p2", flaggedWords(view.flagged)]);
  if (view.photos.some((one) => one.state === "refused")) lines.push(["p2", "The server does not take a photo: it is on this tablet alone."]);
  if (Math.abs(view.offset) > SKEW_SHOWN_MS) lines.push(["p2", skewWords(view.offset)]);
  const language = languageWords(run.runbook, view.language);
  if (language) lines.push(["", language]);
  const newer = run.newer ?? pack.newer;
  if (newer) {
    const ago = newer.published_at ? `, published ${span((Date.now() + view.offset - Date.parse(newer.published_at)) / 1000)} ago` : "";
    lines.push(["", `Version ${newer.version} is out${ago}. Finish version ${run.runbook.version}, or let the lead move the run.`]);
  }
  if (view.hasKey && view.refusal) lines.push(["p2", `${view.refusal} What you enter is sent all the same and kept aside for the lead.`]);
  // A login brings one in a moment.
  if (view.id < 0) lines.push(["p2", view.refusal || "Begun on this tablet alone. The desk sees it once there is network and you are logged in."]);
  else if (hasAsked && !view.hasKey) lines.push(["p2", "This tablet has no key yet: what you enter is saved here and sent once you log in or scan the code of the desk."]);
  for (const words of othersWords(view)) lines.push(["", words]);
  at("banners").ariaBusy = !hasAsked;
  fill(at("banners"), lines.map(([kind, text]) => h("p", { class: `note ${kind}` }, kind ? icon(kind) : null, h("span", {}, text))));
}
