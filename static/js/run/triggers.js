// When to send: on every entry, when the network is back, when the screen is looked at, every
// 30 s while it is, at a press, and by the browser's own sync where there is one.

import { backlog } from "./outbox.js";
import { remember, remembered } from "./db.js";
import { NotNow, sendAll } from "./sync.js";

const EVERY_MS = 30_000;
const WAITING_EVERY_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/** Starts the sending of one page. `onState` hears of changes, `tell` tells of runs begun here, `listen`
 *  asks for news. */
export class Sending {
  constructor({ onState, onTrouble, tell, listen, isWaiting }) {
    Object.assign(this, { onState, onTrouble, tell, listen, isWaiting });
    this.state = { left: 0, isSending: false, sentAt: null, trouble: "" };
    this.tries = 0;
    this.heard = 0;
    // Between windows and the service worker.
    this.news = new BroadcastChannel("hearthwatch-run");
  }

  async start(onNews) {
    this.state.sentAt = (await remembered("sent_at")) ?? null;
    this.onNews = onNews;
    this.news.onmessage = async () => { await this.count(); onNews(); };
    addEventListener("online", () => this.send());
    addEventListener("pageshow", () => this.send());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.send(); });
    setInterval(() => this.tick(), WAITING_EVERY_MS);
    await this.count();
    await this.send();
  }

  async count() {
    this.change({ left: (await backlog()).count });
  }

  change(facts) {
    Object.assign(this.state, facts);
    this.onState(this.state);
  }

  /** Something was written and counted: it is sent as soon as may be. */
  written() {
    this.news.postMessage("written");
    // Where the browser can send after the page is closed, it is asked to.
    navigator.serviceWorker?.ready.then((worker) => worker.sync?.register("outbox")).catch(() => undefined);
    this.send();
  }

  /** Every 5 s; no radio is woken while hidden or offline. */
  tick() {
    if (document.hidden || !navigator.onLine) return;
    const since = Date.now() - this.heard;
    if (since >= EVERY_MS || (this.isWaiting() && since >= WAITING_EVERY_MS)) this.send();
  }

  /** Somebody pressed the button: now, no matter how often it failed. */
  press() {
    this.tries = 0;
    this.send();
  }

  async send() {
    if (this.state.isSending) { this.isWanted = true; return; }
    clearTimeout(this.timer);
    this.isWanted = false;
    this.heard = Date.now();
    this.change({ isSending: true });
    try {
      const left = await this.speak();
      this.tries = 0;
      if (left === 0) await this.allSent();
      this.change({ trouble: "" });
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
      await this.later(error);
    } finally {
      this.state.isSending = false;
      await this.count();
      this.news.postMessage("sent");
      await this.onNews?.();
      if (this.isWanted) this.send();
    }
  }

  /** What is stuck in one run holds up no other; where nothing answers nothing is heard. */
  async speak() {
    const [told] = await Promise.allSettled([this.tell()]);
    const [sent] = await Promise.allSettled([sendAll()]);
    const trouble = told.reason ?? sent.reason;
    if (!trouble || trouble.status) await this.listen();
    if (trouble) throw trouble;
    return sent.value;
  }

  async allSent() {
    const sentAt = new Date().toISOString();
    await remember("sent_at", sentAt);
    this.change({ sentAt });
  }

  /** Not now: again after a pause that doubles, never at the same moment as the other tablets. */
  async later(error) {
    const pause = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.tries) * (0.5 + Math.random());
    this.tries += 1;
    this.change({ trouble: troubleWords(error) });
    await this.onTrouble(error);
    clearTimeout(this.timer);
    if (navigator.onLine) this.timer = setTimeout(() => this.send(), pause);
  }
}

function troubleWords({ status, message }) {
  if (!status) return "The server cannot be reached. It is tried again by itself.";
  return message || `The server answered ${status}. It is tried again by itself.`;
}
