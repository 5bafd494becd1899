// Something is shown to the camera: a photo is taken, or a code is scanned.

import { h, icon } from "./dom.js";

const EVERY_MS = 250;
const LONGEST_CODE = 300;

/** A code with Unicode's picture of each control character in its place, as the server has it. */
function visible(code) {
  return code.replace(/[\0-\x08\x0b-\x1f]/g, (one) => String.fromCharCode(0x2400 + one.charCodeAt(0)))
    .replace(/\x7f/g, "\u2421").replace(/[\x80-\x9f]/g, "\ufffd");
}

export function photo({ photos, done, takePhoto }) {
  if (!photos.length) return { main: { label: "Take the photo", press: takePhoto }, hasPhoto: true };
  return { main: { label: "Done", press: () => done({}) } };
}

export function scan({ step, draft, done, fault }) {
  const out = h("div", { class: "out", role: "status", id: "scan-out" });
  const box = h("div", { class: "reading" });
  const field = h("input", {
    id: "code", autocomplete: "off", autocapitalize: "none", spellcheck: false, maxLength: 200,
    value: draft.text ?? "", "aria-describedby": "scan-out",
  });
  const codeOf = () => visible(field.value.trim());
  const isOther = () => Boolean(step.code) && codeOf() !== step.code;
  const look = () => {
    draft.text = field.value;
    const isJudged = field.value.trim() !== "" && Boolean(step.code);
    const isWrong = isJudged && isOther();
    box.classList.toggle("outside", isWrong);
    const words = isWrong ? `Another code: ${step.code} is expected. See that you are at the right place.` : "The right code.";
    out.replaceChildren(...(isJudged ? [h("p", {}, icon(isWrong ? "p2" : "check"), h("span", {}, words))] : []));
  };
  const press = () => {
    const code = codeOf();
    if (code.length > LONGEST_CODE) return fault("This code is longer than 300 characters: skip the step and say what you scanned.", field);
    if (!code) return fault("Scan the code or write it, then press Done.", field);
    return done(step.code ? { code, is_match: !isOther() } : { code }, { stays: isOther() });
  };
  field.addEventListener("input", look);
  // A scanner that acts as a keyboard ends with Enter.
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") press(); });
  const read = (code) => { field.value = visible(code); field.dispatchEvent(new Event("input", { bubbles: true })); };
  look();
  box.append(h("label", { htmlFor: "code" }, "Code on the label"), h("div", { class: "field code" }, field,
    "BarcodeDetector" in globalThis ? cameraButton(read, box, fault) : null), out);
  return { body: [box], main: { label: "Done", press } };
}

// A camera may be refused, missing or taken by another program: the code can be written all the same.
const REFUSED = "This tablet may not use its camera. Allow it in the browser's settings, or write the code.";
const UNUSABLE = "The camera cannot be used. Scan with a hand scanner or write the code.";

function cameraButton(read, box, fault) {
  const button = h("button", { class: "tap ghost", type: "button" }, "Use the camera");
  const camera = new Camera(box, (code) => {
    button.textContent = "Use the camera";
    if (code) read(code);
  });
  button.addEventListener("click", async () => {
    if (camera.isOn) {
      camera.stop();
      return;
    }
    fault("");
    button.textContent = "Stop the camera";
    try {
      await camera.start();
    } catch (error) {
      camera.stop();
      fault(error.name === "NotAllowedError" ? REFUSED : UNUSABLE);
    }
  });
  return button;
}

/** The camera, shown until it sees a code, is stopped, or its place on the screen is gone. */
class Camera {
  constructor(box, ended) {
    Object.assign(this, { box, ended, isOn: false, stream: null, turn: 0 });
    this.video = h("video", { muted: true, playsInline: true, "aria-label": "What the camera sees" });
  }

  async start() {
    this.isOn = true;
    this.turn += 1;
    const { turn } = this;
    try {
      await this.show(turn);
      this.look(new BarcodeDetector(), turn);
    } catch (error) {
      // Stopped meanwhile: there is nothing to complain about.
      if (turn === this.turn) throw error;
    }
  }

  async show(turn) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    // It may have been stopped while the person was still asked for the camera.
    if (turn !== this.turn) return letGo(stream);
    this.stream = stream;
    this.video.srcObject = stream;
    this.box.append(this.video);
    await this.video.play();
    this.video.scrollIntoView({ block: "center" });
  }

  /** Look again and again, until this turn is over: one that was stopped says nothing of the next. */
  async look(detector, turn) {
    if (turn !== this.turn) return;
    if (!this.video.isConnected) return this.stop();
    const [found] = await detector.detect(this.video).catch(() => []);
    if (turn !== this.turn) return;
    if (!found) return setTimeout(() => this.look(detector, turn), EVERY_MS);
    navigator.vibrate?.(30);
    this.stop(found.rawValue);
  }

  stop(code = "") {
    this.isOn = false;
    this.turn += 1;
    if (this.stream) letGo(this.stream);
    this.stream = null;
    this.video.srcObject = null;
    this.video.remove();
    this.ended(code);
  }
}

function letGo(stream) {
  for (const track of stream.getTracks()) track.stop();
}
