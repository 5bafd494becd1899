// Another runbook is followed before this one goes on. Its steps came with the run and are read here,
// with network or without; its own page asks for both network and a login.

import { h, icon } from "./dom.js";
import { inline, markup } from "./markup.js";

export function link({ step, view, draft, done }) {
  const { slug, title } = step.runbook ?? {};
  const main = { label: "Done", press: () => done({}) };
  if (!slug) return { body: [], main };
  const linked = view.pack.links?.[slug];
  const named = view.me ? h("a", { href: `/runbooks/${slug}/`, target: "_blank" }, linked?.title ?? title) : h("b", {}, linked?.title ?? title);
  const body = [h("p", { class: "way" }, "Go on with the runbook ", named, "."),
    linked ? toRead(linked, draft) : h("p", { class: "dim" }, view.me
      ? "It opens with network only. Without, begin it on this tablet, or have the lead read it to you."
      : "It is not on this tablet. Have the lead read it to you."),
    h("p", { class: "way" }, h("a", { href: "/tablet/" }, "Runs on this tablet"))];
  return { body, main };
}

function toRead({ version, steps, language }, draft) {
  const box = h("details", { class: "byhand", open: draft.open ?? false, ontoggle: () => { draft.open = box.open; } },
    h("summary", {}, "Read the steps"),
    h("p", { class: "dim" }, `Version ${version}. What is done there is entered in a run of its own, or as a note here.`),
    h("ul", { class: "plainlist", lang: language }, steps.map((one) => h("li", {},
      h("p", {}, h("b", {}, `${one.number}. `, inline(one.title))),
      one.warning ? h("p", { class: "note p1 warning" }, icon("p1"), h("span", {}, h("b", {}, "Warning. "), inline(one.warning))) : null,
      one.body ? h("div", { class: "how" }, markup(one.body)) : null,
      one.expect ? h("div", { class: "expect" }, h("b", {}, "Expected: "), inline(one.expect)) : null,
      one.otherwise ? h("div", {}, h("b", {}, "Not as expected: "), inline(one.otherwise)) : null))));
  return box;
}
