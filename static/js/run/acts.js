// What the buttons do. Every one that enters something ends in `enter`: first the disk, then the
// word "Saved", then the next step, then the network.

import { at, fill, h } from "./dom.js";
import { say } from "./frame.js";
import { add } from "./outbox.js";
import { keepName } from "./pack.js";
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
    try {
      if (!(await this.nameMe())) return;
      const memory = this.page.memoryOf(step.id);
      const rest = afterEntry(memory, kind, input);
      await this.write(step, kind, input, rest);
      Object.assign(memory, rest);
      // Letters that were on their way to the disk meanwhile are not typed any more.
      this.page.keep(step.id);
      navigator.vibrate?.(30);
      alarm("");
      say(said ?? `Saved on this tablet: step ${step.number}.`);
      await this.page.refresh({ force: true });
      if (!stays) this.goOn(step);
      this.page.sending.written();
    } catch (error) {
      alarm(`NOT saved: ${error.message || error.name}. What you wrote is still on the screen. Make room on the tablet, then press again.`);
    } finally {
      this.isBusy = false;
    }
  }

  write(step, kind, input, rest) {
    const { view } = this;
    const photos = TAKES_PHOTOS.includes(kind) ? this.draftPhotos(step) : [];
    return add(view.id, {
      kind, step: step.id, version: view.run.runbook.version, input, by: view.me?.name ?? view.name,
      evidence: photos.map((photo) => photo.sha256),
    }, photos, rest);
  }

  draftPhotos(step) {
    return this.view.photos.filter((photo) => photo.draftFor === step.id);
  }

  goOn(step) {
    this.page.show(this.page.following(step.id));
    // A glove that bounces may not press the next step's button.
    at("acts").inert = true;
    setTimeout(() => { at("acts").inert = false; }, BOUNCE_MS);
  }

  /** A run without an account asks once what the person is called; false when they go back. */
  async nameMe() {
    const { view } = this;
    if (view.me || view.name) return true;
    const { askName } = await this.later.sheets();
    const name = await new Promise((resolve) => {
      askName(resolve);
      at("sheet").addEventListener("close", () => resolve(""), { once: true });
    });
    if (!name) return false;
    await keepName(view.id, name);
    // The page may have looked at the store anew meanwhile.
    this.view.name = name;
    return true;
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
    const number = this.page.numberOf(to);
    return { label: number ? `Next: step ${number}` : "To the end", press: () => this.page.show(to) };
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
