// What the pages about one thing need besides htmx: nothing that a reader opened, typed in or
// stands on is lost when a part of the page is put in place of an older one.

const main = document.getElementById("main");

/** Answers that the page shows beside the button, as a sentence with the present state. */
const ANSWERED = new Set([403, 409, 422]);

let opened = [];
let stoodIn = "";

function keep(event) {
  opened = [...main.querySelectorAll("details[id][open]")].map((details) => details.id);
  const target = event.detail.ctx?.target;
  const here = document.activeElement;
  stoodIn = target?.contains(here) && here !== document.body ? (here.closest("[data-item][id]") ?? target).id : "";
}

function restore() {
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
