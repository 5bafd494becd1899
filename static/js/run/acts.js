// What the buttons do. Every one that enters something ends in `enter`: first the disk, then the
// word "Saved", then the next step, then the network.

import { at, fill, h } from "./dom.js";
import { say } from "./frame.js";
import { add } from "./outbox.js";
import { afterEntry } from "./typed.js";

const TAKES_PHOTOS = ["step_done", "step_cannot", "step_skipped", "noted"];
const BOUNCE_MS = 250;

/** Say what went wrong so that nobody misses it; empty takes it away. */
export function alarm(text) {
  fill(at("alarm"), text ? h("p", { class: "note p1" }, text) : null);
}

/** The acts of one page; `later` fetches what the first screen does not need. */
export class Acts {
  constructor(page, later) {
    this.page = page;
    this.later = later;
    this.isBusy = false;
    this.images = new Map();
    this.enter = this.enter.bind(this);
  }

  get view() {
    return this.page.view;
  }

  /** Write one entry. The screen says "Saved" only once the disk has it; a fault keeps the words. */
  async enter(step, kind, input, { said, stays = false } = {}) {
    if (this.isBusy) return;
    this.isBusy = true;
    let isSaved = false;
    try {
      const { me, name } = this.view;
      if (!me && !name && !(await (await this.later.name()).nameMe(this))) return;
      const memory = this.page.memoryOf(step.id);
      const rest = afterEntry(memory, kind, input);
      await this.write(step, kind, input, rest);
      isSaved = true;
      Object.assign(memory, rest);
      await this.page.sending.count();
      // Letters on their way to the disk are not typed any more.
      this.page.keep(step.id);
      navigator.vibrate?.(30);
      alarm("");
      say(said ?? `Saved on this tablet: step ${step.number}.`);
      await this.page.refresh({ force: true });
      // What to do instead is read before the next step.
      if (!stays && !(kind === "step_cannot" && step.otherwise)) this.goOn(step);
      this.page.sending.written();
    } catch (error) {
      const fault = error.message || error.name;
      alarm(isSaved ? `Saved, but the screen cannot show it: ${fault}. Do not enter it again; open the page anew.`
        : `NOT saved: ${fault}. What you wrote is still here. Make room on the tablet, then press again.`);
    } finally {
      this.isBusy = false;
    }
  }

  write(step, kind, input, rest) {
    const { view } = this;
    const photos = TAKES_PHOTOS.includes(kind) ? this.draftPhotos(step) : [];
    return add(this.page.id, {
      kind, step: step.id, version: view.run.runbook.version, input, by: view.me?.name ?? view.name,
      evidence: photos.map((photo) => photo.sha256), offset: view.offset / 1000,
    }, photos, rest);
  }

  draftPhotos(step) {
    return this.view.photos.filter((photo) => photo.draftFor === step.id);
  }

  goOn(step) {
    // Where nobody knows the way the step stays, and says so.
    if (!this.page.isUndecided(step.id)) this.page.show(this.page.following(step.id));
    // A glove that bounces may not press the next step's button.
    at("acts").inert = true;
    setTimeout(() => { at("acts").inert = false; }, BOUNCE_MS);
  }

  redraw() {
    this.page.draw(true);
  }

  fault(text, field) {
    if (at("fault")) at("fault").textContent = text;
    field?.focus();
  }

  next(step) {
    const to = this.page.following(step.id);
    return { label: this.page.nameOf(to), press: () => this.page.show(to) };
  }

  async note(step) {
    (await this.later.sheets()).askNote(step, this.typed(step, "noted"), this.enter);
  }

  async reason(step, kind) {
    (await this.later.sheets()).askReason(step, kind, this.typed(step, kind), this.enter);
  }

  /** The words of a sheet that were not entered yet, and how they are kept while they are written. */
  typed(step, kind) {
    const { words } = this.page.memoryOf(step.id);
    return { text: words[kind] ?? "", keep: (text) => { words[kind] = text; this.page.keep(step.id); } };
  }

  async offerAnswer(step, box) {
    (await this.later.answers()).offerAnswer(step, box, this);
  }

  async gate(step) {
    (await this.later.sheets()).askGate(step, () => {
      this.page.memoryOf(step.id).hasRead = true;
      this.redraw();
      at("main-act").focus();
    });
  }

  async takeBack(step, entry) {
    const goOn = () => this.enter(step, "taken_back", { entry: `${entry.device}:${entry.count}` },
      { stays: true, said: `Saved: taken back, step ${step.number} is open.` });
    (await this.later.sheets()).askTakeBack(step, entry, goOn);
  }

  async safety() {
    const { languageField } = await this.later.languages();
    (await this.later.sheets()).showSafety(this.view, languageField(this));
  }

  async sync() {
    await this.page.refresh();
    const { sending } = this.page;
    const state = { ...sending.state, sentence: at("sync-words").textContent };
    (await this.later.sheets()).showSync(this.view, state, () => { sending.press(); });
  }

  takePhoto(step) {
    const camera = at("camera");
    camera.onchange = async () => {
      const [file] = camera.files;
      if (file) await (await this.later.photos()).takeIn(this, step, file);
      camera.value = "";
    };
    camera.click();
  }

  async dropPhoto(photo) {
    await (await this.later.photos()).drop(photo);
    await this.page.refresh();
  }

  thumbnail(photo) {
    return this.image(photo.sha256, "The photo you took", (image) => { image.src = URL.createObjectURL(photo.blob); });
  }

  picture({ url, alt }) {
    return this.image(url + alt, alt, async (image) => (await this.later.pictures()).showPicture(image, url, this.view.token));
  }

  /** One element for one picture, so that it does not flicker when the step is drawn again. */
  image(key, alt, load) {
    if (!this.images.has(key)) {
      const image = h("img", { alt });
      this.images.set(key, image);
      load(image);
    }
    return this.images.get(key);
  }
}
