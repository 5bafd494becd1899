// Timers on the screen: what is left follows from the entries and the clock, so a reload or a
// night in a drawer changes nothing.

import { span } from "./words.js";

let rung = new Set();

/** Write what is left of every timer on the screen; true when one of them has just ended. */
export function tickTimers(offset) {
  let hasEnded = false;
  for (const place of document.querySelectorAll("[data-until]")) {
    const left = (Number(place.dataset.until) - Date.now() - offset) / 1000;
    const words = left > 0 ? `${span(Math.ceil(left))} left` : "The time is over";
    if (place.textContent !== words) place.textContent = words;
    if (left <= 0 && !rung.has(place.dataset.until)) {
      rung = rung.add(place.dataset.until);
      navigator.vibrate?.([200, 100, 200]);
      hasEnded = true;
    }
  }
  return hasEnded;
}
