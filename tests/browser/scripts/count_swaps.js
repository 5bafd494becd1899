// Count the parts put in from now on, and note what the page says after each of them.
() => {
  const root = document.documentElement;
  globalThis.seen = [];
  root.dataset.swaps = "none";
  document.addEventListener("htmx:after:swap", () => {
    globalThis.seen.push(document.getElementById("main").textContent);
    root.dataset.swaps = "some";
  });
}
