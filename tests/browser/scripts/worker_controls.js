// Wait until the service worker has everything and answers for this page.
async () => {
  await navigator.serviceWorker.ready;
  if (navigator.serviceWorker.controller) return;
  await new Promise((resolve) => { navigator.serviceWorker.addEventListener("controllerchange", resolve); });
}
