// What can be begun at a prepared site, with or without network: its alerts first, then each runbook.

import { beginHere, pathOf } from "./begun.js";
import { h, icon } from "./dom.js";
import { many } from "./words.js";

const MARKS = { urgent: "p1", high: "p2", low: "p3" };

const drawn = new Map();
let isLeaving = false;
addEventListener("pageshow", () => { isLeaving = false; });

/** The offers of a site, folded; `fail` hears why a run could not be begun. Nothing to whoever is known
 *  to be another than who is offered it; no alert that a run was `begun` for here. One element for the
 *  same offers: what is open stays open, and a tap meets what it was meant for. */
export function drawOffers(site, { begun, user, fail }) {
  const offers = site.standby?.offers.filter(({ pack: { run } }) => !begun.includes(run.alert?.id)) ?? [];
  if (!offers.length || (user && user.id !== offers[0].pack.run.me.id)) return null;
  const sign = JSON.stringify([offers, site.standby.nodes, site.standby.left_out], (name, value) => (name === "server_time" ? undefined : value));
  if (drawn.get(site.slug)?.sign !== sign) drawn.set(site.slug, { sign, element: folded(site, offers, fail) });
  return drawn.get(site.slug).element;
}

function folded(site, offers, fail) {
  const { nodes } = site.standby;
  const choice = h("select", { id: `node-of-${site.slug}` }, h("option", { value: "" }, "The whole site"),
    nodes.map(({ name }) => h("option", { value: name, selected: nodes.length === 1 }, name)));
  const lines = (some) => h("ul", { class: "plainlist" }, some.map((offer) => h("li", {}, line(site, offer, choice, fail))));
  const [alerts, others] = [offers.filter(isForAlert), offers.filter((offer) => !isForAlert(offer))];
  return h("details", { class: "offers" }, h("summary", {}, `Begin a run at ${site.name}`), h("div", {},
    h("p", { class: "dim" }, `Works without network, in the name of ${offers[0].pack.run.me.name}. The desk sees it once there is some.`),
    alerts.length ? [h("h2", {}, "For an alert that has no run yet"), lines(alerts)] : null,
    h("h2", {}, alerts.length ? "For something else" : "Which runbook"),
    nodes.length ? h("div", { class: "entry" }, h("label", { htmlFor: choice.id }, "It is about"), choice) : null,
    lines(others), leftOut(site.standby.left_out)));
}

/** What there is no room for on a tablet; a pack of before does not say. */
function leftOut({ alerts, runbooks } = { alerts: 0, runbooks: [] }) {
  const rest = [alerts ? many(alerts, "more alert", "more alerts") : "", ...runbooks].filter(Boolean);
  return rest.length ? h("p", { class: "note" }, `Begun only where there is network: ${rest.join(", ")}.`) : null;
}

function isForAlert({ pack }) {
  return Boolean(pack.run.alert);
}

function line(site, offer, choice, fail) {
  const { alert, node, runbook } = offer.pack.run;
  const minutes = runbook.minutes ? `, about ${runbook.minutes} min` : "";
  const button = h("button", { type: "button", class: "runline" }, h("b", {}, runbook.title),
    alert ? h("span", {}, icon(MARKS[alert.severity] ?? "p3"), ` A-${alert.id}, ${alert.severity}${node ? `, ${node}` : ""}: ${alert.summary}`) : null,
    h("span", { class: "dim" }, `Version ${runbook.version}, ${offer.pack.steps.length} steps${minutes}`));
  button.addEventListener("click", async () => {
    // Until the run is in front no other press counts.
    if (isLeaving) return;
    isLeaving = true;
    try {
      location.assign(pathOf(await beginHere(site, offer, alert ? node : choice.value)));
    } catch (error) {
      isLeaving = false;
      fail(`The run is NOT begun: ${error.message || error.name}. Make room on the tablet, then press again.`);
    }
  });
  return button;
}
