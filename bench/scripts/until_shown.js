// `shown`: the milliseconds from the navigation's start until a step is on the screen.
globalThis.shown = new Promise((resolve) => {
  const painted = () => requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
  new MutationObserver((_, watcher) => {
    if (!document.getElementById("main-act")) return;
    watcher.disconnect();
    painted();
  }).observe(document, { childList: true, subtree: true });
});
