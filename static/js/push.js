// Paging in this browser: ask for permission, subscribe by the server's key, hand it over.

import { startWorker } from "./run/register.js";

const card = document.getElementById("this-browser");
const button = document.getElementById("browser-subscribe");
const label = document.getElementById("browser-label");
const said = document.getElementById("browser-said");
const REMEMBERED = "hw_push_contact";

const CANNOT = "This browser takes no pushed pages here. It needs https, and on an iPhone or iPad this page on the home screen.";
const REFUSED = "This browser refuses notifications of this site. Allow them in its settings, then press again.";
const NO_SERVICE = "The browser's push service could not be reached. Check its connection, then press again.";

function say(text) {
  said.textContent = text;
}

/** Return what this browser is called here; forgotten where it keeps nothing. */
function remembered() {
  try {
    return localStorage.getItem(REMEMBERED) ?? "";
  } catch {
    return "";
  }
}

function remember(contact) {
  try {
    localStorage.setItem(REMEMBERED, String(contact));
  } catch {
    // A browser that keeps nothing makes a new contact next time.
  }
}

function bytesOf(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4);
  return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
}

function isOfKey(subscription, key) {
  const own = subscription.options.applicationServerKey;
  return own !== null && String(new Uint8Array(own)) === String(key);
}

async function subscribe() {
  await startWorker();
  const { pushManager } = await navigator.serviceWorker.ready;
  const key = bytesOf(card.dataset.key);
  const old = await pushManager.getSubscription();
  // After a change of the server's key the old subscription can be sent nothing any more.
  if (old && !isOfKey(old, key)) await old.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

/** Let the service worker know what this browser is, for when the browser changes it by itself. */
async function keep(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  const cache = await caches.open("push");
  const record = { endpoint, auth: keys.auth, key: card.dataset.key };
  await cache.put("/push/subscription", new Response(JSON.stringify(record)));
}

async function handOver(subscription) {
  const answer = await fetch(card.dataset.url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": card.dataset.token },
    body: JSON.stringify({ label: label.value, contact: remembered(), subscription: subscription.toJSON() }),
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.message ?? "That was not taken. Reload the page and press again.");
  remember(body.contact);
  await keep(subscription);
}

async function start() {
  button.disabled = true;
  try {
    if ((await Notification.requestPermission()) !== "granted") {
      say(REFUSED);
      return;
    }
    say("Subscribing …");
    await handOver(await subscribe());
    location.reload();
  } catch (fault) {
    say(fault instanceof DOMException ? NO_SERVICE : fault.message);
  } finally {
    button.disabled = false;
  }
}

if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
  say(CANNOT);
} else {
  const known = document.getElementById(`contact-${remembered()}`);
  if (known) {
    label.value = known.querySelector("b").textContent;
    say(`This browser is here already: ${label.value}.`);
    button.textContent = "Subscribe anew";
  }
  if (Notification.permission === "denied") say(REFUSED);
  button.hidden = false;
  button.addEventListener("click", start);
}
