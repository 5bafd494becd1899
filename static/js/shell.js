// What runs on every page: the clock, the live line, the keys, the menus, and failures in words.

import { startClock } from "./clock.js";
import { startKeys } from "./keys.js";
import { startLive, tellChanged } from "./live.js";

/** Menus open and close without a script. With it Escape closes one, another that opens takes its
 *  place, and a press elsewhere closes the main one; an act's own sheet may hold half a reason. */
function startMenus() {
  document.addEventListener("click", (event) => {
    const menu = document.getElementById("menu");
    if (menu?.open && !menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && !event.isComposing && event.target.closest?.("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  // A toggle does not bubble, but it can be caught on its way down.
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches?.("details.menu[open]")) return;
    for (const other of document.querySelectorAll("details.menu[open]")) {
      if (other !== event.target) other.open = false;
    }
  }, true);
}

function say(text) {
  const box = document.getElementById("said");
  const note = document.createElement("p");
  note.className = "note p2";
  note.textContent = text;
  box.replaceChildren(note);
}

/** A part that could not be fetched keeps its old content, hatched; an act that failed says so. */
function startFailures() {
  const failed = (event) => {
    const context = event.detail.ctx;
    if (!context) return;
    if (context.request.method === "GET") {
      context.sourceElement.setAttribute("data-failed", "");
      return;
    }
    // A refusal that the page shows in its place says why there.
    if (context.response?.status < 500 && context.swap !== "none") return;
    const answer = new DOMParser().parseFromString(context.text ?? "", "text/html");
    const sentence = answer.querySelector(".fault")?.textContent.trim();
    say(sentence || "That was not taken: the server did not answer as it should. Reload the page and try again.");
    tellChanged();
  };
  document.body.addEventListener("htmx:error", failed);
  document.body.addEventListener("htmx:response:error", failed);
  document.body.addEventListener("htmx:after:request", (event) => {
    const context = event.detail.ctx;
    if (context.request.method === "GET") {
      if (context.response.status < 400) context.sourceElement.removeAttribute("data-failed");
    } else if (context.response.status < 400) {
      // Without waiting for the live line: the broker may be down.
      document.getElementById("said")?.replaceChildren();
      tellChanged();
    }
  });
}

startClock();
startKeys();
startMenus();
startFailures();
startLive();
