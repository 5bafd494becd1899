// One of several answers is picked.

import { h } from "./dom.js";
import { plain } from "./markup.js";
import { choiceOf } from "./progress.js";

function pick({ step, steps, draft, done, fault }, describe) {
  const options = step.options ?? [];
  const group = h("fieldset", { class: "options" }, h("legend", {}, "Pick one"), options.map((option, place) => {
    const radio = h("input", {
      type: "radio", name: "option", id: `option-${place}`, value: choiceOf(option),
      checked: draft.choice === choiceOf(option), onchange: () => { draft.choice = choiceOf(option); },
    });
    return h("label", { class: "option", htmlFor: `option-${place}` }, radio,
      h("span", {}, option.label, describe(option, steps)));
  }));
  const press = () => (draft.choice !== undefined
    ? done({ choice: draft.choice }) : fault("Pick one of the answers, then press Done.", group.querySelector("input")));
  return { body: [group], main: { label: "Done", press } };
}

export function choice(context) {
  return pick(context, () => null);
}

export function branch(context) {
  return pick(context, (option, steps) => {
    if (option.goto === "end") return h("span", { class: "dim" }, "goes to the end: no later step is needed");
    const to = steps.find((step) => step.id === option.goto);
    return to ? h("span", { class: "dim" }, `goes on with step ${to.number}: ${plain(to.title)}`) : null;
  });
}
