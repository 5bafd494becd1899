// Time on the page: relative ages tick, the UTC clock runs, both by the server's clock.

/** Milliseconds to add to this browser's clock to get the server's. */
let offset = 0;

/** Take the server's word for what time it is. */
export function setServerTime(iso) {
  const at = Date.parse(iso);
  if (!Number.isNaN(at)) offset = at - Date.now();
}

/** The server's time now, in milliseconds. */
export function serverNow() {
  return Date.now() + offset;
}

/** A length of time as people say it; the same words as `duration_words` on the server. */
export function durationWords(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(whole / 3600);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(whole / 86400);
  return hours % 24 && days < 7 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** `14:02:11 UTC`. */
export function utcTime(milliseconds) {
  return `${new Date(milliseconds).toISOString().slice(11, 19)} UTC`;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  const now = serverNow();
  for (const element of document.querySelectorAll("time[data-ago]")) {
    write(element, durationWords((now - Date.parse(element.dateTime)) / 1000));
  }
  for (const element of document.querySelectorAll("time[data-until]")) {
    const seconds = (Date.parse(element.dateTime) - now) / 1000;
    write(element, seconds >= 1 ? `in ${durationWords(seconds)}` : "now");
  }
  const clock = document.getElementById("utc-clock");
  if (clock) {
    write(clock, `${utcTime(now).slice(0, 5)} UTC`);
    clock.dateTime = new Date(now).toISOString();
  }
}

/** Start ticking, once a second, and at once when the page is looked at again. */
export function startClock() {
  const clock = document.getElementById("utc-clock");
  if (clock) setServerTime(clock.dateTime);
  tick();
  window.setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
}
