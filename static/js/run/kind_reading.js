// A number is read and entered; one beyond its bounds is taken all the same, with a warning.

import { h, icon } from "./dom.js";
import { inline } from "./markup.js";
import { isOutside } from "./progress.js";
import { bounds, unitWords } from "./words.js";

const MOST = 1e12;

/** Whether a comma may stand between thousands or before a fraction: "2,000", not "0,125". */
function isAmbiguous(text) {
  return /^[+-]?[1-9]\d{0,2},\d{3}$/.test(text.trim());
}

/** The number that somebody wrote, a comma or a point before its fraction; null for anything else,
 *  and for what could be two numbers. */
export function numberIn(text) {
  if (isAmbiguous(text)) return null;
  const written = text.trim().replace(/[\u2212\u2013]/, "-").replace(",", ".");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(written)) return null;
  const value = Number(written);
  return Math.abs(value) < MOST ? value : null;
}

/** A field for a number with its unit and its warning; `take` gives the input, or null and says why. */
export function numberField({ step, draft, fault }) {
  const warning = h("div", { class: "out", id: "out-of-bounds", role: "status" });
  const box = h("div", { class: "reading" });
  const field = h("input", {
    id: "reading", inputMode: "decimal", autocomplete: "off", value: draft.text ?? "", enterKeyHint: "done",
    "aria-describedby": "unit out-of-bounds",
  });
  const look = () => {
    draft.text = field.value;
    const value = numberIn(field.value);
    const isOut = value !== null && isOutside(step, value);
    box.classList.toggle("outside", isOut);
    warning.replaceChildren(...(isOut ? outsideWords(step) : []));
  };
  field.addEventListener("input", look);
  look();
  const within = bounds(step);
  box.append(
    h("label", { htmlFor: "reading" }, step.expect ? inline(step.expect) : "What do you read?"),
    h("div", { class: "field" }, field, h("span", { id: "unit" }, unitWords(step.unit),
      within ? h("span", { class: "dim" }, ` expected ${within}`) : null)),
    warning);
  const take = () => {
    const value = numberIn(field.value);
    if (value === null) {
      const written = field.value.trim();
      fault(isAmbiguous(written) ? `Is it ${written.replace(",", "")} or ${written.replace(",", ".")}? Write it without a comma.`
        : "Write the number you read, for example 21.5, then press Done.", field);
      return null;
    }
    const given = { value, unit: step.unit || "" };
    const isBounded = (step.min ?? null) !== null || (step.max ?? null) !== null;
    return isBounded ? { ...given, is_within: !isOutside(step, value) } : given;
  };
  return { box, take };
}

function outsideWords(step) {
  return [h("p", {}, icon("p2"), h("span", {}, h("b", {}, `Outside: expected ${bounds(step)}. `), inline(step.otherwise)))];
}

export function reading(context) {
  const { box, take } = numberField(context);
  const press = () => {
    const input = take();
    return input && context.done(input, { stays: input.is_within === false && Boolean(context.step.otherwise) });
  };
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") press(); });
  return { body: [box], main: { label: "Done", press }, hasExpect: true };
}
