// Choosing several alerts: all of them at once, and how many are chosen. What is chosen stays
// chosen when the list is put in place of an older one.

const main = document.getElementById("main");
let chosen = new Set();

function boxes() {
  return [...main.querySelectorAll('input[name="alert"][form="bulk"]')];
}

function tell() {
  const said = document.getElementById("picked");
  const all = document.getElementById("pick-all");
  if (!said || !all) return;
  const count = boxes().filter((box) => box.checked).length;
  said.textContent = count ? `${count} ${said.dataset.some}` : said.dataset.none;
  all.checked = count > 0 && count === boxes().length;
  all.indeterminate = count > 0 && count < boxes().length;
}

function remember() {
  chosen = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
}

/** After an act on the chosen ones nothing is chosen any more, and its reason is no reason for others. */
function startAnew() {
  chosen.clear();
  const sheet = document.getElementById("bulk-close");
  if (!sheet) return;
  const isIn = sheet.contains(document.activeElement);
  sheet.open = false;
  sheet.querySelector("input").value = "";
  if (isIn) sheet.querySelector("summary").focus();
}

main.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.target.id !== "bulk-reason") return;
  event.preventDefault();
  event.target.form.requestSubmit(document.getElementById("bulk-close-them"));
});
main.addEventListener("change", (event) => {
  if (event.target.id === "pick-all") {
    for (const box of boxes()) box.checked = event.target.checked;
  }
  if (event.target.id === "pick-all" || event.target.name === "alert") {
    remember();
    tell();
  }
});
document.addEventListener("htmx:after:swap", (event) => {
  const { request, sourceElement } = event.detail.ctx ?? {};
  if (request?.method !== "GET" && sourceElement?.id === "bulk" && !main.querySelector("#queue > .note.p2")) startAnew();
  for (const box of boxes()) box.checked = chosen.has(box.value);
  tell();
});
