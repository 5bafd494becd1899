// The tablet's own page: the runs it holds, how ready it is for which site, and its choices.

import { at, fill, h, icon } from "./dom.js";
import { drawSync } from "./frame.js";
import { ask, read } from "./db.js";
import { writtenIn } from "./outbox.js";
import { session } from "./pack.js";
import { hasPin, setPin, startLock } from "./pin.js";
import { check, leftOutWords, prepare, readyWords, report } from "./ready.js";
import { startWorker } from "./register.js";
import { startGloves } from "./settings.js";
import { NotNow } from "./sync.js";
import { Sending } from "./triggers.js";

const LEAST_PIN = /^\d{4,8}$/;
let who = { user: null, csrf: "", sites: [] };

const sending = new Sending({
  onState: (state) => drawSync(state, Intl.DateTimeFormat().resolvedOptions().timeZone),
  onTrouble: () => undefined, listen: () => undefined, isWaiting: () => false,
});

async function drawRuns() {
  const runs = (await read(["runs"], ({ runs: store }) => ask(store.getAll()))).filter((run) => run.pack);
  const lines = await Promise.all(runs.map(async (run) => {
    const { waiting, flagged } = await writtenIn(run.id);
    const facts = [waiting.length ? `${waiting.length} waiting` : "all sent", flagged.length ? `${flagged.length} flagged` : "",
      run.run.ended_at ? "ended" : "", run.token ? "" : "no key yet"].filter(Boolean).join(" · ");
    return h("li", {}, h("a", { class: "runline", href: `/runs/${run.id}/` },
      h("b", {}, run.run.site.name), h("span", {}, `${run.run.runbook.title}, version ${run.run.runbook.version}`), h("span", { class: "dim" }, facts)));
  }));
  fill(at("runs"), lines.length ? lines.reverse() : h("li", { class: "dim" }, "None yet. Open a run while there is network, scan the code of the desk, or prepare a site."));
}

async function drawSites() {
  const kept = await read(["sites"], ({ sites }) => ask(sites.getAll()));
  const names = new Map([...who.sites, ...kept].map((site) => [site.slug, site.name]));
  fill(at("prepared"), kept.map((site) => h("li", {}, h("b", {}, site.name),
    h("p", { class: "ready" }, icon(site.ready === site.total ? "check" : "p2"), ` ${readyWords(site)}`),
    leftOutWords(site) ? h("p", { class: "left-out" }, leftOutWords(site)) : null,
    site.persistent ? null : h("p", { class: "dim" }, "The browser may clear this when space runs out. Add the app to the home screen to keep it."))));
  const choice = at("site-choice");
  const before = choice.value || new URLSearchParams(location.search).get("site") || kept[0]?.slug;
  fill(choice, [...names].map(([slug, name]) => h("option", { value: slug, selected: slug === before }, name)));
  at("prepare").hidden = !who.user;
  at("sign-in").hidden = Boolean(who.user);
}

async function prepareSite(event) {
  event.preventDefault();
  const pin = at("new-pin").value;
  const needsPin = !(await hasPin());
  if ((needsPin || pin) && !LEAST_PIN.test(pin)) {
    at("prepare-fault").textContent = "Choose a PIN of 4 to 8 digits.";
    at("new-pin").focus();
    return;
  }
  at("prepare-fault").textContent = "";
  at("prepare-act").disabled = true;
  try {
    if (pin) await setPin(pin);
    at("new-pin").value = "";
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

async function checkAll() {
  for (const site of await read(["sites"], ({ sites }) => ask(sites.getAll()))) {
    const looked = await check(site);
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
  await checkAll();
  await Promise.all([drawRuns(), drawSites(), sender]);
  document.documentElement.dataset.drawn = "yes";
}

start();
