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
  // After an act on the chosen ones nothing is chosen any more.
  if (event.detail.ctx?.request?.method !== "GET" && event.detail.ctx?.sourceElement?.id === "bulk") chosen.clear();
  for (const box of boxes()) box.checked = chosen.has(box.value);
  tell();
});
