// Something is shown to the camera: a photo is taken, or a code is scanned.

import { h, icon } from "./dom.js";

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
  const isOther = () => Boolean(step.code) && field.value.trim() !== step.code;
  const look = () => {
    draft.text = field.value;
    const isWrong = field.value.trim() !== "" && isOther();
    box.classList.toggle("outside", isWrong);
    out.replaceChildren(...(isWrong ? [h("p", {}, icon("p2"),
      h("span", {}, `Another code: ${step.code} is expected. See that you are at the right place.`))] : []));
  };
  const press = () => {
    const code = field.value.trim();
    if (!code) return fault("Scan the code or write it, then press Done.", field);
    return done(step.code ? { code, is_match: !isOther() } : { code }, { stays: isOther() });
  };
  field.addEventListener("input", look);
  // A scanner that acts as a keyboard ends with Enter.
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") press(); });
  const read = (code) => { field.value = code; field.dispatchEvent(new Event("input", { bubbles: true })); };
  look();
  box.append(h("label", { htmlFor: "code" }, "Code on the label"), h("div", { class: "field code" }, field,
    "BarcodeDetector" in globalThis ? cameraButton(read, box, fault) : null), out);
  return { body: [box], main: { label: "Done", press } };
}

function cameraButton(read, box, fault) {
  return h("button", { class: "tap ghost", type: "button", onclick: () => look(read, box).catch(
    () => fault("The camera cannot be used. Scan with a hand scanner or write the code.")) }, "Use the camera");
}

/** Show the camera until it sees a code or its place is gone. */
async function look(read, box) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const video = h("video", { muted: true, playsInline: true, "aria-label": "What the camera sees" });
  video.srcObject = stream;
  box.append(video);
  await video.play();
  const detector = new BarcodeDetector();
  const stop = () => { stream.getTracks().forEach((track) => track.stop()); video.remove(); };
  const tick = async () => {
    if (!video.isConnected) return stop();
    const [found] = await detector.detect(video).catch(() => []);
    if (!found) return setTimeout(tick, 250);
    navigator.vibrate?.(30);
    read(found.rawValue);
    return stop();
  };
  tick();
}
