// Answering an approval: by whoever is logged in here, never by who asked, and only with the server
// in sight, because the answer counts in the log's order.

import { alarm } from "./acts.js";
import { fill, h } from "./dom.js";
import { say } from "./frame.js";
import { fetchPack, session } from "./pack.js";
import { askReason } from "./sheets.js";
import { NotNow, speak } from "./sync.js";

/** Offer the answer in `box` to who may give it, or say there who can; without network `box` stays. */
export async function offerAnswer(step, box, acts) {
  const { id } = acts.view;
  try {
    const { may, message } = await speak(`/runs/${id}/answers/?step=${encodeURIComponent(step.id)}`);
    fill(box, may ? buttons(step, acts) : h("p", {}, h("b", {}, message)));
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
    if (!error.status) addEventListener("online", () => { if (box.isConnected) offerAnswer(step, box, acts); }, { once: true });
  }
}

function buttons(step, acts) {
  const refuse = (_, kind, { reason }) => give(step, kind, reason, acts);
  return [h("p", {}, h("b", {}, "You may answer.")), h("div", { class: "sheetfoot" },
    h("button", { class: "tap ghost", type: "button", onclick: () => askReason(step, "refused", acts.typed(step, "refused"), refuse) }, "Refuse, say why"),
    h("button", { class: "tap ghost", type: "button", onclick: () => give(step, "approved", "", acts) }, "Approve"))];
}

/** Give the answer. What fails is said, and a reason that was written is kept. */
async function give(step, answer, reason, acts) {
  const { id } = acts.view;
  try {
    const { csrf } = await session();
    await speak(`/runs/${id}/answers/`, {
      method: "POST", body: JSON.stringify({ step: step.id, answer, reason }), headers: { "X-CSRFToken": csrf },
    });
    acts.typed(step, "refused").keep("");
    alarm("");
    say(answer === "approved" ? "Approved." : "Refused.");
    await fetchPack(id);
  } catch (error) {
    if (!(error instanceof NotNow)) throw error;
    alarm(`The answer was NOT given. ${error.message || "The server cannot be reached"}. Try again where there is network.`);
  }
  await acts.page.refresh({ force: true });
}
