// Single keys. They do nothing while somebody types, with a modifier, in a dialog, or when the
// reader turned them off.
//
// In a page: `data-go="f"` on a link makes `g f` go there; `data-key="a"` on a button or link makes
// `a` press it, the one in the marked row first; `data-item` on a row makes `j` and `k` stop there.
// `data-step="3"` makes `3` go to that step, to what is to be entered there where there is something.
// A sheet that a key opens is stood in: at its field with `data-first`, else at its own button.

const GO_MS = 1_500;
const TYPING = "input, select, textarea, [contenteditable], dialog";

let goUntil = 0;

function isVisible(element) {
  return element.getClientRects().length > 0;
}

function follow(element) {
  if (!element) return false;
  element.click();
  if (element.matches("summary") && element.parentElement.open) {
    (element.parentElement.querySelector("[data-first]") ?? element).focus();
  }
  return true;
}

function go(key) {
  return follow(document.querySelector(`[data-go="${CSS.escape(key)}"]`));
}

function press(key) {
  const selector = `[data-key="${CSS.escape(key)}"]`;
  const row = document.activeElement?.closest("[data-item]");
  const near = row?.querySelector(selector);
  return follow(near ?? [...document.querySelectorAll(selector)].find(isVisible));
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-item]")].filter(isVisible);
  if (rows.length === 0) return false;
  const here = rows.indexOf(document.activeElement?.closest("[data-item]"));
  const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : here + by;
  const row = rows[Math.min(Math.max(next, 0), rows.length - 1)];
  const target = row.matches("a, button, [tabindex]") ? row : row.querySelector("a, button");
  target?.focus();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

/** Stand at a step: at its first field or button, so that the space bar presses it. */
function toStep(number) {
  const place = [...document.querySelectorAll(`[data-step="${number}"]`)].find(isVisible);
  if (!place) return false;
  const controls = [...place.querySelectorAll("form input, form button")];
  (controls.find(isVisible) ?? place).focus();
  place.scrollIntoView({ block: "nearest" });
  return true;
}

function openList() {
  const dialog = document.getElementById("keys-dialog");
  if (!dialog) return false;
  dialog.showModal();
  return true;
}

function act(key) {
  if (Date.now() < goUntil) {
    goUntil = 0;
    return go(key);
  }
  if (key === "g") {
    goUntil = Date.now() + GO_MS;
    return true;
  }
  if (key === "j") return step(1);
  if (key === "k") return step(-1);
  if (key === "?") return openList();
  if (/^[1-9]$/.test(key)) return toStep(key);
  return key.length === 1 && press(key);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.isComposing || event.repeat) return;
  if (event.target instanceof Element && event.target.closest(TYPING)) return;
  if (document.documentElement.dataset.keys === "off") return;
  if (act(event.key)) event.preventDefault();
}

/** Listen for keys, and let the menu's button open the list of them. */
export function startKeys() {
  document.addEventListener("keydown", onKey);
  const button = document.getElementById("show-keys");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", openList);
  }
}
