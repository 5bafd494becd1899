// What stands before a step that cannot be undone: the answers that are missing, and the last look.

import { h, icon } from "./dom.js";
import { inline } from "./markup.js";

function missing({ steps }, { barredBy }) {
  return steps.filter(({ id }) => barredBy.includes(id));
}

function note(...inside) {
  return h("p", { class: "note p2 barred" }, icon("p2"), h("span", {}, inside));
}

/** Where the answers stand that a step waits for. */
function standOf({ progress }, { barredBy }) {
  return JSON.stringify(progress.steps.filter(({ id }) => barredBy.includes(id))
    .map(({ id, outcome, answer }) => [id, outcome, answer]));
}

/** Why it is done without those answers, while they stand as they stood when that was said. */
export function reason({ view, standing, memory }) {
  const { without } = memory;
  return without && standing.barredBy.length && without.stand === standOf(view, standing) ? without.reason : "";
}

/** What is drawn in place of the step's own form; null where that may be seen. */
export function bar(context) {
  const { step, standing, acts, memory } = context;
  if (standing.barredBy.length && standing.outcome !== "waiting" && !reason(context)) return barred(context);
  return memory.hasRead ? null : { main: { label: "Before you do it", press: () => acts.gate(step) } };
}

function barred({ step, view, standing, acts, memory }) {
  const [first, ...more] = missing(view, standing);
  const isRefused = view.progress.steps.some(({ id, answer }) => id === first.id && answer === "refused");
  const lead = first.kind !== "approval" ? "Not before it is known which way to go"
    : isRefused ? "Refused" : "Not before it is approved";
  const askWhy = async () => (await acts.later.sheets()).askReason(step, "step_done", acts.typed(step, "step_done"),
    (_, kind, said) => {
      memory.without = { reason: said.reason, stand: standOf(view, standing) };
      acts.redraw();
    });
  return {
    body: [note(h("b", {}, lead), ` at step ${first.number}: `, inline(first.title),
      more.length ? `, then step ${more.map(({ number }) => number).join(", ")}` : "")],
    main: { label: `Go to step ${first.number}`, press: () => acts.page.show(first.id) },
    others: [{ label: "Without it, say why", press: askWhy }],
  };
}

/** That it was done all the same. */
export function undone({ view, standing }) {
  const numbers = missing(view, standing).map(({ number }) => number);
  if (!numbers.length || standing.outcome !== "done") return null;
  return note(`Done without the answer of step ${numbers.join(", ")}, which is still missing.`);
}
