// The run is not on this tablet and did not come either: why, and what to do.

import { at, fill, h } from "./dom.js";

const MISSING = {
  401: ["Log in, or scan the code of the desk", "This tablet has no key for the run."],
  403: ["You may not follow this run", "Ask the desk to send it to you."],
  404: ["There is no such run, or you may not see it", "See that the address is right."],
};

export function missing({ status, message }) {
  const [title, sentence] = MISSING[status]
    ?? ["This run is not on this tablet", `Open it once where there is network.${message ? ` ${message}` : ""}`];
  fill(at("main"), h("div", { class: "runmain" }, h("h1", { id: "step-title", tabIndex: -1 }, title), h("p", { class: "how" }, sentence),
    h("p", {}, h("a", { class: "reach", href: `/login/?next=${encodeURIComponent(location.pathname)}` }, "Log in")),
    h("p", {}, h("a", { class: "reach", href: "/tablet/" }, "Runs on this tablet"))));
}
