// The live line: tells the page what changed, and tells the reader when it can no longer be told.
//
// The server says {"event": "alert-changed", "id": 7, "site": 3}; the page hears `alert-changed`,
// `alert-changed-7`, `site-changed` and `site-changed-3` on the body and fetches what it shows.
// Of a run it hears `run-changed`, `run-changed-7` and, of its site, `run-changed-at-3`.
// `live-changed` follows: at most once a second for alerts, every 5 s for sites, whose readings
// change all the time. A heartbeat comes every 5 s through
// the same broker as the news, so that silence means what it looks like.

import { durationWords, serverNow, setServerTime, utcTime } from "./clock.js";

const DELAYED_MS = 15_000;
const OFF_MS = 30_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
const ALERTS_MS = 1_000;
const SITES_MS = 5_000;

const SIGNED_OUT = 4401;

const state = {
  socket: null,
  retries: 0,
  retryTimer: 0,
  lastBeatAt: Date.now(),
  lastBeatServer: 0,
  newest: NaN,
  isSignedOut: false,
  // What came between the making of the page and its line's opening.
  hasMissed: true,
  changeTimer: 0,
  changeDueAt: Infinity,
  lastChangeAt: 0,
};

function tell(name) {
  document.body.dispatchEvent(new CustomEvent(name, { bubbles: true }));
}

/** Say that something changed, `every` milliseconds at most; a little noise keeps browsers apart. */
export function tellChanged(every = ALERTS_MS) {
  const dueAt = Math.max(state.lastChangeAt + every, Date.now()) + Math.random() * 120;
  if (dueAt >= state.changeDueAt) return;
  window.clearTimeout(state.changeTimer);
  state.changeDueAt = dueAt;
  state.changeTimer = window.setTimeout(() => {
    state.changeDueAt = Infinity;
    state.lastChangeAt = Date.now();
    tell("live-changed");
  }, dueAt - Date.now());
}

function tellResumed() {
  tell("live-resumed");
  tellChanged();
}

function onBeat(message) {
  document.documentElement.dataset.line = "open";
  setServerTime(message.at);
  state.lastBeatServer = Date.parse(message.at);
  if (message.newest) state.newest = Date.parse(message.newest);
  // News sent while no heartbeat came through is lost: fetch everything anew.
  const wasSilent = Date.now() - state.lastBeatAt > DELAYED_MS;
  state.lastBeatAt = Date.now();
  state.retries = 0;
  if (wasSilent || state.hasMissed) {
    state.hasMissed = false;
    tellResumed();
  }
  show();
}

function onMessage(event) {
  let message;
  try {
    message = JSON.parse(event.data);
  } catch {
    return;
  }
  if (message.event === "heartbeat" || message.event === "hello") {
    onBeat(message);
    return;
  }
  if (message.event === "run-changed") {
    tell("run-changed");
    tell(`run-changed-${message.id}`);
    tell(`run-changed-at-${message.site}`);
    return;
  }
  if (message.event === "alert-changed" || message.event === "site-changed") {
    tell(message.event);
    tell(`${message.event}-${message.id}`);
    if (message.event === "alert-changed") {
      tell("site-changed");
      tell(`site-changed-${message.site}`);
    }
    tellChanged(message.event === "alert-changed" ? ALERTS_MS : SITES_MS);
  }
}

function onClose(event) {
  delete document.documentElement.dataset.line;
  state.socket = null;
  state.hasMissed = true;
  if (event.code === SIGNED_OUT) {
    state.isSignedOut = true;
    show();
    return;
  }
  const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** state.retries);
  state.retries += 1;
  // Half of it at random: a restart of the server must not bring every browser back at once.
  state.retryTimer = window.setTimeout(connect, ceiling / 2 + (Math.random() * ceiling) / 2);
}

function connect() {
  window.clearTimeout(state.retryTimer);
  if (state.socket || state.isSignedOut) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/live/`);
  state.socket = socket;
  socket.addEventListener("message", onMessage);
  socket.addEventListener("close", (event) => {
    if (state.socket === socket) onClose(event);
  });
}

/** Give up on a line that is open but says nothing, as after a laptop's sleep. */
function dropSilentLine() {
  const socket = state.socket;
  if (!socket) return;
  onClose({ code: 0 });
  socket.close();
}

function briefAge() {
  if (Number.isNaN(state.newest)) return "live";
  return `live, ${durationWords((serverNow() - state.newest) / 1000)}`;
}

function write(selector, text) {
  const element = document.querySelector(selector);
  if (element && element.textContent !== text) element.textContent = text;
}

function ageWords() {
  if (Number.isNaN(state.newest)) return "live, no data yet";
  return `live, data ${durationWords((serverNow() - state.newest) / 1000)} old`;
}

function show() {
  const silence = Date.now() - state.lastBeatAt;
  const level = state.isSignedOut || silence > OFF_MS ? "off" : silence > DELAYED_MS ? "delayed" : "on";
  const root = document.documentElement;
  root.dataset.live = level;
  const words = { on: ageWords, delayed: () => `DELAYED ${durationWords(silence / 1000)}`, off: () => "NOT LIVE" };
  write("#age .says", words[level]());
  write("#age .brief", level === "on" ? briefAge() : words[level]());
  showBar(level === "off");
}

function showBar(isOff) {
  const bar = document.getElementById("not-live");
  if (!bar) return;
  if (!isOff) {
    if (!bar.hidden) bar.hidden = true;
    return;
  }
  if (!bar.hidden) return;
  const since = utcTime(state.lastBeatServer || serverNow() - (Date.now() - state.lastBeatAt));
  const text = state.isSignedOut
    ? "You are signed out, so this screen no longer changes. "
    : `NOT LIVE since ${since}. You see the last known state; trying to reconnect.`;
  bar.replaceChildren(text);
  if (state.isSignedOut) {
    const link = document.createElement("a");
    link.href = `/login/?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Log in again";
    bar.append(link);
  }
  bar.hidden = false;
}

function watch() {
  if (Date.now() - state.lastBeatAt > DELAYED_MS && state.socket?.readyState === WebSocket.OPEN) {
    dropSilentLine();
  }
  show();
}

/** Open the line and keep it open for as long as the page lives. */
export function startLive() {
  const age = document.getElementById("age");
  if (!age) return;
  state.newest = Date.parse(age.dataset.newest);
  // A page that answers a form was made a moment ago; made anew it would no longer say what was refused.
  if ("answer" in age.dataset) state.hasMissed = false;
  connect();
  window.setInterval(watch, 1000);
  const hurry = () => {
    if (!state.socket) connect();
    watch();
  };
  window.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);
  // A page kept by the browser comes back with a dead line.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      state.hasMissed = true;
      hurry();
    }
  });
}
