// The tablet's own page: the runs it holds, how ready it is for which site, and its choices.

import { pathOf, tellBegun } from "./begun.js";
import { at, fill, h, icon } from "./dom.js";
import { drawSync } from "./frame.js";
import { ask, read } from "./db.js";
import { drawOffers } from "./offers.js";
import { writtenIn } from "./outbox.js";
import { session, viewOf } from "./pack.js";
import { hasPin, setPin, startLock } from "./pin.js";
import { keepPictures } from "./pictures.js";
import { fetchRun, leftOutWords, prepare, readyWords, renew, report } from "./ready.js";
import { startWorker } from "./register.js";
import { startGloves } from "./settings.js";
import { NotNow } from "./sync.js";
import { Sending } from "./triggers.js";

const LEAST_PIN = /^\d{4,8}$/;
let who = { user: null, csrf: "", sites: [] };
let hasAsked = false;

const sending = new Sending({
  onState: (state) => drawSync(state, Intl.DateTimeFormat().resolvedOptions().timeZone),
  onTrouble: () => undefined, tell: tellBegun, listen: () => undefined, isWaiting: () => false,
});

/** The runs that are here, the newest first, and before all those that the desk does not know yet. */
async function keptRuns() {
  const runs = (await read(["runs"], ({ runs: store }) => ask(store.getAll()))).filter((run) => run.pack);
  return runs.sort((one, other) => (one.id > 0) - (other.id > 0) || Math.abs(other.id) - Math.abs(one.id));
}

async function drawRuns() {
  const runs = await keptRuns();
  const lines = await Promise.all(runs.map(async (run) => {
    const { waiting, flagged } = await writtenIn(run.id);
    const facts = [who.runs?.includes(run.id) ? "sent to you" : "", run.run.node, waiting.length ? `${waiting.length} waiting` : run.id < 0 ? "" : "all sent", flagged.length ? `${flagged.length} flagged` : "",
      run.run.ended_at ? "ended" : "", run.id < 0 ? run.refusal || "begun here, the desk does not know it yet" : run.token ? "" : "no key yet"].filter(Boolean).join(" · ");
    return h("li", {}, h("a", { class: "runline", href: pathOf(run.id) },
      h("b", {}, run.run.site.name), h("span", {}, `${run.run.runbook.title}, version ${run.run.runbook.version}`), h("span", { class: "dim" }, facts)));
  }));
  fill(at("runs"), lines.length ? lines : h("li", { class: "dim" }, "None yet. Open a run while there is network, scan the code of the desk, or prepare a site."));
}

async function drawSites() {
  const kept = await read(["sites"], ({ sites }) => ask(sites.getAll()));
  const names = new Map([...who.sites, ...kept].map((site) => [site.slug, site.name]));
  fill(at("prepared"), kept.map((site) => h("li", {}, h("b", {}, site.name),
    h("p", { class: "ready" }, icon(site.ready === site.total ? "check" : "p2"), ` ${readyWords(site)}`),
    leftOutWords(site) ? h("p", { class: "left-out" }, leftOutWords(site)) : null,
    site.persistent ? null : h("p", { class: "dim" }, "The browser may clear this when space runs out. Add the app to the home screen to keep it."))));
  const begun = (await keptRuns()).filter((run) => run.run.alert && !run.run.ended_at).map((run) => run.run.alert.id);
  const fail = (text) => { at("offers-fault").textContent = text; };
  fill(at("offers"), kept.map((site) => drawOffers(site, { begun, user: who.user, fail })));
  const choice = at("site-choice");
  const before = choice.value || new URLSearchParams(location.search).get("site") || kept[0]?.slug;
  fill(choice, [...names].map(([slug, name]) => h("option", { value: slug, selected: slug === before }, name)));
  at("site-entry").hidden = !who.user;
  at("prepare-act").textContent = who.user ? "Make available offline" : "Set the PIN";
  at("sign-in").hidden = !hasAsked || Boolean(who.user);
}

async function prepareSite(event) {
  event.preventDefault();
  const pin = at("new-pin").value;
  const needsPin = !(await hasPin());
  if ((needsPin || pin || !who.user) && !LEAST_PIN.test(pin)) {
    at("prepare-fault").textContent = "Choose a PIN of 4 to 8 digits.";
    at("new-pin").focus();
    return;
  }
  at("prepare-fault").textContent = "";
  at("prepare-act").disabled = true;
  try {
    if (pin) await setPin(pin);
    at("new-pin").value = "";
    if (!who.user) {
      at("prepare-words").textContent = "The PIN is set.";
      return;
    }
    const site = await prepare(at("site-choice").value, who, (ready, total) => {
      at("prepare-words").textContent = `${ready} of ${total}`;
    });
    at("prepare-words").textContent = readyWords(site);
    navigator.vibrate?.(30);
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
    at("prepare-fault").textContent = error.message || "The server cannot be reached. Try again where there is network.";
  } finally {
    at("prepare-act").disabled = false;
    await drawPinWords();
    await Promise.all([drawRuns(), drawSites()]);
  }
}

async function drawPinWords() {
  at("pin-words").textContent = (await hasPin())
    ? "A PIN is set; the screen asks for it after 15 minutes. Write a new one to change it."
    : "4 to 8 digits; the screen asks for it after 15 minutes.";
}

/** The runs that this person was sent to do: on the tablet without being asked for. */
async function fetchSent() {
  for (const run of who.runs ?? []) {
    await fetchRun(run, who);
    const view = await viewOf(run);
    if (view) await keepPictures(view.steps, view.token);
  }
}

async function checkAll() {
  for (const site of await read(["sites"], ({ sites }) => ask(sites.getAll()))) {
    const looked = await renew(site, who);
    if (who.user) await report(looked, who);
  }
}

async function start() {
  await Promise.all([startGloves(), startLock(), drawRuns(), drawPinWords()]);
  at("prepare").addEventListener("submit", prepareSite);
  at("sync").addEventListener("click", () => sending.press());
  const sender = sending.start(drawRuns);
  await drawSites();
  await startWorker();
  who = await session();
  hasAsked = true;
  await drawSites();
  await fetchSent();
  await drawRuns();
  await checkAll();
  await Promise.all([drawRuns(), drawSites(), sender]);
  document.documentElement.dataset.drawn = "yes";
}

start();
