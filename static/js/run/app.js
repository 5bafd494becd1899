// The page of one run: it shows what is kept here, and everything that is pressed goes through
// the outbox first. The network only ever adds to it.

import { Acts, alarm } from "./acts.js";
import { at, fill, h } from "./dom.js";
import { drawHead, drawRail, drawSync } from "./frame.js";
import { knowKinds } from "./kinds.js";
import { ensureKey, fetchPack, refuseKey, session, viewOf } from "./pack.js";
import { startGloves } from "./settings.js";
import { drawStep } from "./step.js";
import { listen, NotNow } from "./sync.js";
import { tickTimers } from "./timers.js";
import { keepTyped, typedIn } from "./typed.js";
import { Sending } from "./triggers.js";

// No step has such an id.
const LIST = "~list", END = "~end";
// Fetched after the first screen, so that they are here when the network is not.
const later = {
  lists: () => import("./list.js"), lock: () => import("./pin.js"), photos: () => import("./photos.js"),
  pictures: () => import("./pictures.js"), ready: () => import("./ready.js"), sheets: () => import("./sheets.js"),
  worker: () => import("./register.js"), languages: () => import("./languages.js"),
  answers: () => import("./answers.js"), missing: () => import("./missing.js"), begun: () => import("./begun.js"),
  name: () => import("./name.js"), banners: () => import("./banners.js"),
};

/** One run on the screen: `view` is what is kept of it, `shown` the step (or list, end) in front. */
class RunPage {
  constructor(id) {
    this.id = id;
    this.view = null;
    this.shown = "";
    this.drawn = "";
    this.lists = null;
    this.memories = new Map();
    this.unkept = new Set();
    this.sending = new Sending({
      onState: (state) => this.stateChanged(state), onTrouble: (error) => this.trouble(error),
      tell: async () => (await later.begun()).tellFrom(this), listen: () => this.hear(), isWaiting: () => this.isWaiting(),
    });
    this.acts = new Acts(this, later);
  }

  async start() {
    await startGloves();
    if (this.id < 0) await (await later.begun()).follow(this);
    this.memories = await typedIn(this.id);
    this.bind();
    await this.refresh();
    const sender = this.sending.start(() => this.refresh());
    await Promise.all([this.update(), this.prepareLater()]);
    await sender;
    await this.sending.send();
    document.documentElement.dataset.started = "yes";
  }

  bind() {
    at("show-list").addEventListener("click", () => this.view && this.show(this.shown === LIST ? this.view.progress.current || END : LIST));
    at("show-safety").addEventListener("click", () => this.view && this.acts.safety());
    at("sync").addEventListener("click", () => this.view && this.acts.sync());
    // A radio's "input" comes before it is known which.
    for (const event of ["input", "change"]) at("main").addEventListener(event, () => this.keep(this.drawnAt));
    addEventListener("hashchange", () => this.view && this.show(location.hash.slice(1)));
    setInterval(() => { if (tickTimers(this.view?.offset ?? 0)) this.refresh(); }, 1000);
  }

  async prepareLater() {
    const [lists, lock, worker] = await Promise.all([later.lists(), later.lock(), later.worker()]);
    this.lists = lists;
    await lock.startLock();
    await worker.startWorker();
    await Promise.all(Object.values(later).map((load) => load()));
    if (this.shown === LIST || this.shown === END) this.draw(true);
  }

  memoryOf(step) {
    if (!this.memories.has(step)) this.memories.set(step, { draft: {}, words: {}, hasRead: false, again: false });
    return this.memories.get(step);
  }

  /** Keep what is typed at a step; one write at a time, and of many the last. */
  async keep(step) {
    this.unkept.add(step);
    if (this.isKeeping) return;
    this.isKeeping = true;
    try {
      // What is added meanwhile is seen as well.
      for (const one of this.unkept) {
        this.unkept.delete(one);
        await keepTyped(this.id, one, this.memoryOf(one));
      }
    } catch (error) {
      alarm(`What you type is NOT kept yet: ${error.message || error.name}. Make room on the tablet.`);
    } finally {
      this.isKeeping = false;
    }
  }

  /** Look at the store again and show what changed; what is being typed stays. */
  async refresh({ force = false } = {}) {
    if (this.id < 0) await (await later.begun()).follow(this);
    const view = await viewOf(this.id);
    if (!view) return;
    await knowKinds(view.steps);
    this.view = view;
    drawHead(view);
    later.banners().then(({ drawBanners }) => drawBanners(this.view, this.hasAsked));
    if (!this.shown) this.shown = location.hash.slice(1) || view.progress.current || END;
    this.draw(force);
  }

  draw(force) {
    const { view, shown } = this;
    const step = view.steps.find((one) => one.id === shown);
    const sign = JSON.stringify(step ? this.signOf(step) : [view.progress, view.run.ended_at, view.run.runbook.language, this.sending.state.left]);
    drawRail(view, shown, (where) => this.show(where));
    drawSync(this.sending.state, view.zone);
    // A new screen would take the camera away.
    const isLooking = this.drawnAt === shown && at("main").querySelector("video");
    if (!force && (shown + sign === this.drawn || isLooking)) return;
    const isMove = this.drawn && this.drawnAt !== shown;
    this.drawn = shown + sign;
    this.drawnAt = shown;
    const parts = step ? drawStep(view, step, this.acts, this.memoryOf(step.id)) : this.plainParts();
    fill(at("main"), parts.main);
    fill(at("acts"), parts.foot);
    tickTimers(view.offset);
    if (isMove) { at("step-title")?.focus(); scrollTo(0, 0); }
  }

  /** All that a step's screen depends on. */
  signOf(step) {
    const { entries, photos, progress, hasKey, run } = this.view;
    const touches = (entry) => entry.step === step.id || ["counted", "taken_back"].includes(entry.kind);
    const own = entries.filter(touches).map((entry) => [entry.id, entry.state]);
    const taken = photos.filter((photo) => photo.draftFor === step.id).map((photo) => photo.sha256);
    const { outcome, answer, until, barredBy } = progress.steps.find((one) => one.id === step.id);
    const others = barredBy.length ? progress.steps.map((one) => [one.outcome, one.answer]) : [];
    return [own, taken, outcome, answer, until, others, hasKey, run.runbook.language];
  }

  plainParts() {
    const { view } = this;
    const go = (where) => this.show(where);
    if (!this.lists) return { main: [], foot: [] };
    const main = this.shown === LIST ? this.lists.drawList(view, go) : this.lists.drawEnd(view, this.sending.state, go);
    const next = view.progress.current;
    const [label, where] = next ? [`Go on with step ${this.numberOf(next)}`, next] : ["All steps", LIST];
    const foot = this.shown === where ? [] : [h("button", {
      class: next ? "tap main" : "tap ghost", type: "button", id: "main-act", onclick: () => go(where),
    }, label)];
    return { main, foot };
  }

  numberOf(stepId) {
    return this.view.steps.find((step) => step.id === stepId)?.number;
  }

  show(where) {
    if (!where) return;
    this.shown = where;
    history.replaceState(null, "", `#${where}`);
    this.draw(false);
  }

  nameOf(where) {
    if (where === LIST) return "All steps";
    return where === END ? "To the end" : `Next: step ${this.numberOf(where)}`;
  }

  isUndecided(stepId) {
    return this.view.progress.steps.find((one) => one.id === stepId).isUndecided;
  }

  /** Where to go after a step: the next one that is open, else the first, else the end. Where nobody
   *  knows the way it does not go on by itself. */
  following(stepId) {
    const { steps, progress } = this.view;
    if (this.isUndecided(stepId)) return LIST;
    const place = steps.findIndex((step) => step.id === stepId);
    const order = [...steps.keys()];
    const isOpen = (one) => ["open", "waiting"].includes(progress.steps[one].outcome);
    const next = [...order.slice(place + 1), ...order.slice(0, place)].find(isOpen);
    return next === undefined ? END : steps[next].id;
  }

  isWaiting() {
    return Boolean(this.view?.progress.steps.some((step) => ["approval", "verify"].includes(step.waitsFor)));
  }

  stateChanged(state) {
    drawSync(state, this.view?.zone);
  }

  /** A key that is refused: with a login there is a new one. */
  async trouble(error) {
    if (error.status !== 401 || (error.run ?? this.id) !== this.id) return;
    await refuseKey(this.id, error);
    await this.renewKey();
    await this.refresh();
  }

  /** What others did; the whole pack where the lead moved the run to another edition. */
  async hear() {
    if (this.id < 0) return;
    const before = this.view?.run.runbook.version;
    await listen(this.id, this.shown);
    const known = await viewOf(this.id);
    if (known && ((before && known.run.version && known.run.version !== before) || isElsewhere(known))) await fetchPack(this.id);
  }

  async renewKey() {
    try {
      await ensureKey(this.id, await session());
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
    }
  }

  async update() {
    try {
      if (this.id > 0) {
        await fetchPack(this.id);
        await this.refresh();
        await this.renewKey();
      } else if (!this.view) throw new NotNow("", { status: 404 });
      await (await later.pictures()).keepPictures(this.view.steps, this.view.token);
      await (await later.ready()).persist();
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
      if (!this.view) (await later.missing()).missing(error);
    }
    this.hasAsked = true;
    await this.refresh();
  }
}

/** Whether it could be in the language that is wanted. */
function isElsewhere({ run: { runbook }, language }) {
  return runbook.language !== language && Boolean(runbook.languages?.includes(language));
}

// Begun here, the server does not know it yet: ?begun=1.
new RunPage(Number(/\/runs\/(\d+)\//.exec(location.pathname)?.[1] ?? -location.search.slice(7))).start().catch(
  (error) => alarm(`The tablet's storage cannot be used: ${error.message || error.name}. Nothing can be saved here; use paper or another tablet.`));
