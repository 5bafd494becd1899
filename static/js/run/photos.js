// Photos: made small on the tablet, kept by the hash of their bytes, sent after the text.

import { alarm } from "./acts.js";
import { ask, write } from "./db.js";
import { say } from "./frame.js";
import { lightened } from "./outbox.js";
import { sha256 } from "./sign.js";

const LONGEST_SIDE = 1600;
const MOST_BYTES = 2_000_000;
const MOST_OF_ENTRY = 10;
const SETTLED = ["done", "cannot", "skipped", "disputed"];
const QUALITIES = [0.85, 0.7, 0.5, 0.3];

/** A picture no program here can read. */
export class NoPicture extends Error {}

function jpeg(canvas, quality) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

/** The photo as a JPEG of at most 1600 px and 2 MB; what the camera wrote about the place is left out. */
export async function shrink(file) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new NoPicture("This file is no picture that the tablet can read. Take the photo again.");
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  for (const quality of QUALITIES) {
    const blob = await jpeg(canvas, quality);
    if (blob && blob.size <= MOST_BYTES) return blob;
  }
  throw new NoPicture("The photo stays too large. Take it again from nearer.");
}

/** Keep a photo for the next entry at this step; it is on the disk when this returns. */
export async function keep(run, step, file) {
  const blob = await shrink(file);
  const photo = { run, sha256: await sha256(await blob.arrayBuffer()), blob, state: "draft" };
  await write(["photos"], async ({ photos }) => {
    // The very same picture at a second step is kept once and goes with both entries.
    const known = await ask(photos.get([run, photo.sha256]));
    photos.put({ ...photo, state: known?.state ?? photo.state, draftFor: step });
  });
}

/** Let go of a photo that went with no entry yet. */
export function drop(photo) {
  return write(["photos"], async ({ photos }) => {
    const known = await ask(photos.get([photo.run, photo.sha256]));
    if (known?.state === "draft") photos.delete([photo.run, photo.sha256]);
    else if (known) photos.put(lightened({ ...known, draftFor: "" }));
  });
}

/** Keep what the camera gave at a step; one that was entered already gets it as a note. */
export async function takeIn(acts, step, file) {
  if (acts.draftPhotos(step).length >= MOST_OF_ENTRY) {
    alarm("Ten photos go with one entry; write a note for more.");
    return;
  }
  try {
    await keep(acts.page.id, step.id, file);
    navigator.vibrate?.(30);
    await acts.page.refresh();
    const { outcome } = acts.view.progress.steps.find((one) => one.id === step.id);
    if (SETTLED.includes(outcome)) await acts.enter(step, "noted", { note: "Photo" }, { stays: true, said: "Saved: the photo." });
    else say("The photo is kept here and goes with your entry.");
  } catch (error) {
    alarm(error instanceof NoPicture ? error.message
      : `The photo is NOT saved: ${error.message}. Make room on the tablet, then take it again.`);
  }
}
