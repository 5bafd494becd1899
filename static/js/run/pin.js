// The PIN: after 15 minutes without a touch the screen asks for it. It only hides the screen:
// entries are kept and sent all the while, and no wrong PIN ever loses one.

import { at } from "./dom.js";
import { remember, remembered } from "./db.js";

const IDLE_MS = 15 * 60_000;
const ROUNDS = 210_000;
const TRIES = 5;
const PAUSE_MS = 30_000;
const SEEN = "hw_tablet_seen";

async function derive(pin, salt, rounds) {
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(pin), "PBKDF2", false, ["deriveBits"]);
  const way = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
  return new Uint8Array(await crypto.subtle.deriveBits(way, key, 256));
}

/** Set the PIN of this tablet. */
export async function setPin(pin) {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  await remember("pin", { salt, rounds: ROUNDS, hash: await derive(pin, salt, ROUNDS) });
  await remember("pin_tries", { wrong: 0, until: 0 });
}

/** Whether a PIN is set. */
export async function hasPin() {
  return Boolean(await remembered("pin"));
}

/** Take the PIN away; whoever may give the tablet a new key may also do this. */
export function clearPin() {
  return remember("pin", null);
}

/** Try a PIN: "right", "wrong", or the moment until which no try counts. */
export async function tryPin(pin) {
  const { wrong, until } = (await remembered("pin_tries")) ?? { wrong: 0, until: 0 };
  if (Date.now() < until) return until;
  const { salt, rounds, hash } = await remembered("pin");
  const tried = await derive(pin, salt, rounds);
  const isRight = tried.reduce((rest, byte, place) => rest | (byte ^ hash[place]), 0) === 0;
  const count = isRight ? 0 : wrong + 1;
  const isTooMany = count >= TRIES;
  await remember("pin_tries", { wrong: isTooMany ? 0 : count, until: isTooMany ? Date.now() + PAUSE_MS : 0 });
  return isRight ? "right" : "wrong";
}

function touch() {
  localStorage.setItem(SEEN, String(Date.now()));
}

/** Lock the screen after a quiet time, and unlock it with the PIN. */
export async function startLock() {
  const lock = at("lock");
  if (!lock) return;
  let hadSheet = false;
  const isQuiet = () => Date.now() - Number(localStorage.getItem(SEEN) ?? Date.now()) >= IDLE_MS;
  const close = async () => {
    if (lock.open || !isQuiet() || !(await hasPin())) return;
    // What is being written in a sheet is there again after the PIN.
    hadSheet = Boolean(at("sheet")?.open);
    at("sheet")?.close();
    document.documentElement.dataset.locked = "yes";
    lock.showModal();
  };
  lock.addEventListener("cancel", (event) => event.preventDefault());
  at("unlock").addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await tryPin(at("pin").value);
    at("pin").value = "";
    if (answer === "right") {
      touch();
      delete document.documentElement.dataset.locked;
      at("pin-fault").textContent = "";
      lock.close();
      if (hadSheet) at("sheet").showModal();
    } else {
      at("pin-fault").textContent = answer === "wrong" ? "That is not the PIN. What you entered is safe."
        : `Too many tries. Wait ${Math.ceil((answer - Date.now()) / 1000)} s. What you entered is safe.`;
      at("pin").focus();
    }
  });
  for (const name of ["pointerdown", "keydown"]) {
    addEventListener(name, () => { if (!lock.open) touch(); }, { passive: true });
  }
  await close();
  if (!lock.open) touch();
  setInterval(close, 10_000);
  document.addEventListener("visibilitychange", close);
}
