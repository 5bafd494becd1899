// Tap the dark button so many times, each at a new step; returns [saved, sent] of each tap in ms.
async (taps) => {
  const at = (id) => document.getElementById(id);
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const until = (element, isSo) => new Promise((resolve) => {
    if (isSo()) return resolve();
    new MutationObserver((_, watcher) => {
      if (!isSo()) return;
      watcher.disconnect();
      resolve();
    }).observe(element, { attributes: true, childList: true, characterData: true, subtree: true });
  });
  const isSent = () => at("sync").dataset.state === "sent";
  const since = async (began) => { await painted(); return performance.now() - began; };
  const late = (tap) => new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`Tap ${tap + 1} is not on the server after 20 s.`)), 20_000);
  });
  const times = [];
  for (let tap = 0; tap < taps; tap += 1) {
    await until(at("sync"), isSent);
    // The buttons rest for a moment after each tap.
    await until(at("acts"), () => !at("acts").inert && at("main-act"));
    at("said").textContent = "";
    const began = performance.now();
    at("main-act").click();
    const saved = until(at("said"), () => at("said").textContent.startsWith("Saved")).then(() => since(began));
    const sent = until(at("sync"), () => !isSent()).then(() => until(at("sync"), isSent)).then(() => since(began));
    times.push(await Promise.race([Promise.all([saved, sent]), late(tap)]));
  }
  return times;
}
