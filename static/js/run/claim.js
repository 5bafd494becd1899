// The page behind the desk's code: one press binds the run to this tablet, without a login.

import { at } from "./dom.js";
import { deviceName } from "./outbox.js";
import { fetchPack, keepKey } from "./pack.js";
import { clearPin } from "./pin.js";
import { startWorker } from "./register.js";
import { NotNow, speak } from "./sync.js";

function refuse(error) {
  if (!(error instanceof NotNow)) throw error;
  at("claim-fault").textContent = error.message || "The server cannot be reached. Try again where there is network.";
}

async function show() {
  try {
    const facts = await speak(location.pathname);
    at("site").textContent = facts.site;
    at("claim-run").textContent = `R-${facts.run} at ${facts.site}`;
    at("claim-title").textContent = facts.runbook;
    at("claim-for").textContent = facts.for ? `For ${facts.for}.` : "For whoever does it.";
  } catch (error) {
    at("claim-act").disabled = error.status >= 400;
    refuse(error);
  }
}

async function claim(event) {
  event.preventDefault();
  at("claim-act").disabled = true;
  at("claim-fault").textContent = "";
  try {
    const body = JSON.stringify({ device: await deviceName() });
    const { run, ...key } = await speak(location.pathname, { method: "POST", body });
    await keepKey(run, key);
    // Whoever brings a code of the desk may set the tablet's PIN anew.
    await clearPin();
    await fetchPack(run);
    location.replace(`/runs/${run}/?t`);
  } catch (error) {
    at("claim-act").disabled = false;
    refuse(error);
  }
}

at("claim").addEventListener("submit", claim);
show();
startWorker();
