// The choices of this tablet: gloves. Kept here, no matter who is signed in.

import { at } from "./dom.js";
import { remember, remembered } from "./db.js";

function show(isOn) {
  document.documentElement.dataset.gloves = isOn ? "on" : "off";
  const button = at("gloves");
  if (button) button.setAttribute("aria-pressed", String(isOn));
}

/** Larger targets for hands in gloves: a toggle, remembered. */
export async function startGloves() {
  let isOn = (await remembered("gloves")) === true;
  show(isOn);
  at("gloves")?.addEventListener("click", async () => {
    isOn = !isOn;
    show(isOn);
    await remember("gloves", isOn);
  });
}
