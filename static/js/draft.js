// The writing of a runbook: lead to a line, add a step where the caret is, and let nobody lose
// words by leaving the page. Everything is saved by the form, which works without this.

const form = document.querySelector("form[data-draft]");
const field = document.getElementById("f-source");
const after = document.getElementById("f-after");
const saidUnsaved = document.querySelector("[data-said-unsaved]");
const STEP = /^ {0,3}###(?!#)/;

let isLeaving = false;

/** Put the caret on a line, counted from 1, and bring it into view. */
function goTo(line) {
  const lines = field.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  field.focus({ preventScroll: true });
  field.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  // Wrapped lines are taller, so this comes near rather than there.
  field.scrollTop = ((line - 1) / lines.length) * field.scrollHeight - field.clientHeight / 3;
  field.scrollIntoView({ block: "nearest" });
}

function isUnsaved() {
  return form.hasAttribute("data-unsaved") || field.value !== field.defaultValue;
}

function tellUnsaved() {
  if (saidUnsaved) saidUnsaved.hidden = !isUnsaved();
}

/** A step is added behind the one in which the caret stands. */
function follow() {
  if (!after) return;
  const above = field.value.slice(0, field.selectionStart).split("\n");
  const number = above.filter((line) => STEP.test(line)).length;
  if (number < after.options.length) after.value = String(number);
}

function start() {
  if (field.dataset.at) goTo(Number(field.dataset.at));
  tellUnsaved();
  field.addEventListener("input", tellUnsaved);
  for (const event of ["keyup", "click", "focus"]) field.addEventListener(event, follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    goTo(Number(link.dataset.line));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("button[value=save]"));
  });
  form.addEventListener("submit", () => {
    isLeaving = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!isLeaving && isUnsaved()) event.preventDefault();
  });
}

if (form && field && !field.readOnly) start();
