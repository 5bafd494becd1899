// What the pages about one thing need besides htmx: nothing that a reader opened, typed in or
// stands on is lost when a part of the page is put in place of an older one.

const main = document.getElementById("main");

/** Answers that the page shows beside the button, as a sentence with the present state. */
const ANSWERED = new Set([403, 409, 422]);
const REFUSAL_MS = 20_000;
const ABOUT = ".alertrow, .runsteps > li";
/** Where a page about one thing, a row of the queue and a step of a run say why. */
const REFUSED_IN = ".acts, .alertrow > .what, .runsteps .refused";

let opened = [];
let stoodIn = "";
/** Why acts were refused, by the row or step they were about; of a page about one thing by "". */
const refusals = new Map();
/** When the last act was answered, and when each fetch was asked for. */
let answeredAt = 0;
const askedAt = new WeakMap();
/** How far the timeline's end is below what is seen of it; the newest comes last. */
let below = 0;

function timeline() {
  return main.querySelector(".timeline");
}

function showNewest() {
  const list = timeline();
  if (list && below < 24) list.scrollTop = list.scrollHeight;
}

/** Leave the sheet of an act: it would only hide what came of it, unless that is said within. */
function leave({ request, response, sourceElement, text } = {}) {
  const sheet = sourceElement?.closest("details.menu");
  if (!sheet || request.method === "GET" || text?.includes(' aria-invalid="true"')) return;
  if (response.status < 400) sourceElement.reset?.();
  if (sheet.contains(document.activeElement)) document.activeElement.blur();
  sheet.open = false;
}

/** Forget why something was refused once there is a newer answer about it. */
function forgetRefusals({ request, sourceElement } = {}) {
  if (!request || request.method === "GET") return;
  const row = sourceElement.closest(ABOUT);
  if (row) refusals.delete(row.id);
  else refusals.clear();
}

/** Keep refusals in sight for a while, although news put a page or a row anew every few seconds. */
function keepRefusals() {
  for (const place of main.querySelectorAll(REFUSED_IN)) {
    const about = place.closest(ABOUT)?.id ?? "";
    const said = place.querySelector(":scope > .fault");
    const kept = refusals.get(about);
    if (said && !kept) {
      refusals.set(about, { said: said.cloneNode(true), until: Date.now() + REFUSAL_MS });
      // What comes back is not said aloud again.
      refusals.get(about).said.removeAttribute("role");
    } else if (kept && !said && Date.now() < kept.until) {
      place.append(kept.said.cloneNode(true));
    }
  }
}

/** What was asked for before an act was answered may not know of it: it is asked for anew. */
function dropOld(event) {
  const context = event.detail.ctx;
  if (!context) return false;
  if (context.request.method !== "GET") {
    answeredAt = performance.now();
    return false;
  }
  if (!context.sourceElement.matches("[hx-trigger]") || !(askedAt.get(context) < answeredAt)) return false;
  event.preventDefault();
  document.body.dispatchEvent(new CustomEvent("live-resumed"));
  return true;
}

function keep(event) {
  if (dropOld(event)) return;
  const list = timeline();
  if (list) below = list.scrollHeight - list.clientHeight - list.scrollTop;
  const target = event.detail.ctx?.target;
  const here = document.activeElement;
  stoodIn = target?.contains(here) && here !== document.body ? (here.closest("[data-item][id]") ?? target).id : "";
  leave(event.detail.ctx);
  forgetRefusals(event.detail.ctx);
  opened = [...main.querySelectorAll("details[id][open]")].map((details) => details.id);
}

function restore(event) {
  showNewest();
  keepRefusals();
  for (const id of opened) {
    const details = document.getElementById(id);
    if (details && !details.open) details.open = true;
  }
  if (!stoodIn || document.activeElement !== document.body) return;
  // The button that was pressed is gone: stand where its answer is.
  document.getElementById(stoodIn)?.querySelector("[data-landing]")?.focus({ preventScroll: true });
}

/** A refused act came back as a page: it speaks for itself. */
function quieten(event) {
  const context = event.detail.ctx;
  if (context?.request.method !== "GET" && ANSWERED.has(context?.response?.status)) event.stopPropagation();
}

/** Keep a list as it is while somebody stands in it, and say that it would have changed. */
function hold(event) {
  askedAt.set(event.detail.ctx, performance.now());
  const list = event.detail.ctx.sourceElement;
  if (!list.matches("[data-hold]") || !list.contains(document.activeElement)) return;
  event.preventDefault();
  list.setAttribute("data-held", "");
}

function letGo(list) {
  if (!list.hasAttribute("data-held")) return;
  list.removeAttribute("data-held");
  list.dispatchEvent(new CustomEvent("let-go"));
}

showNewest();
document.addEventListener("htmx:before:swap", keep);
document.addEventListener("htmx:after:swap", restore);
main.addEventListener("htmx:response:error", quieten);
main.addEventListener("htmx:before:request", hold);
main.addEventListener("focusout", (event) => {
  const list = event.target.closest("[data-hold]");
  // Once the focus has arrived wherever it goes.
  if (list) window.setTimeout(() => !list.contains(document.activeElement) && letGo(list));
});
main.addEventListener("click", (event) => {
  const list = event.target.closest("[data-let-go]")?.closest("[data-hold]");
  if (!list) return;
  document.activeElement?.blur();
  letGo(list);
});
