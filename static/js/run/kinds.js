// How each kind of step is drawn and entered. A kind gets the step's context and returns
// `body` (what stands under the text), `main` (the dark button) and `others` (more buttons).
// A new kind is a new line here.

import { h } from "./dom.js";
import { markup } from "./markup.js";

function instruction({ done }) {
  return { main: { label: "Done", press: () => done({}) } };
}

function check({ done, step }) {
  return {
    main: { label: "As expected", press: () => done({ is_as_expected: true }) },
    others: [{
      label: "Not as expected", isAnswer: true,
      press: () => done({ is_as_expected: false }, { stays: Boolean(step.otherwise) }),
    }],
  };
}

function confirm({ done }) {
  return { main: { label: "Yes, confirmed", press: () => done({}) } };
}

/** A telephone number or an address as something to press, anything else as text. */
function reach(how) {
  if (/^[+\d ()-]{3,}$/.test(how)) return h("a", { class: "reach", href: `tel:${how.replace(/[^\d+]/g, "")}` }, how);
  if (/^[^\s@]+@[^\s@]+$/.test(how)) return h("a", { class: "reach", href: `mailto:${how}` }, how);
  return h("span", {}, how);
}

/** Whom to call; emergency numbers come first. */
export function callList(people) {
  return people?.length ? h("ul", { class: "contacts" }, people.map(({ role, name, phone, how }) =>
    h("li", {}, h("span", { class: "dim" }, role), h("b", {}, name), phone && reach(phone), how && reach(how)))) : null;
}

function escalate({ step, view, draft, done, fault }) {
  const field = h("input", {
    id: "said-to", value: draft.text ?? "", autocomplete: "off", maxLength: 120,
    oninput: () => { draft.text = field.value; },
  });
  const press = () => (field.value.trim()
    ? done({ said_to: field.value.trim() }) : fault("Write whom you spoke to, then press Done.", field));
  return {
    body: [callList(view.pack.contacts), markup(view.pack.sections?.escalate),
      h("div", { class: "entry" }, h("label", { htmlFor: "said-to" }, "Whom did you speak to?"), field)],
    main: { label: "Done", press }, step,
  };
}

const KINDS = { instruction, confirm, escalate, check };
// What only some runbooks have is fetched for those; the service worker keeps it either way.
const capture = () => import("./kind_capture.js");
const picks = () => import("./kind_pick.js");
const waits = () => import("./kind_wait.js");
const LATE = {
  link: () => import("./kind_link.js"), reading: () => import("./kind_reading.js"), choice: picks, branch: picks,
  photo: capture, scan: capture, wait: waits, approval: waits, verify: waits,
};
// What stands before a step that cannot be undone.
const BARS = ["bar", "reason", "undone"];

/** See that every kind among the steps can be drawn. */
export async function knowKinds(steps) {
  for (const kind of new Set(steps.map((step) => step.kind))) {
    if (LATE[kind] && !KINDS[kind]) KINDS[kind] = (await LATE[kind]())[kind];
  }
  if (KINDS.bar || !steps.some((step) => step.is_destructive)) return;
  const bars = await import("./kind_bar.js");
  for (const name of BARS) KINDS[name] = bars[name];
}

/** Something that `knowKinds` has fetched. */
export function kindOf(name) {
  return KINDS[name];
}

/** Draw what belongs to the step's kind; a kind this program does not know is an instruction. */
export function drawKind(context) {
  return (KINDS[context.step.kind] ?? instruction)(context);
}
