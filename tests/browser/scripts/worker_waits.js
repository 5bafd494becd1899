// Look for a new service worker and wait until it is there and waits for its turn.
async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration.update();
  const worker = registration.installing ?? registration.waiting;
  while (worker.state === "installing") {
    await new Promise((resolve) => { worker.addEventListener("statechange", resolve, { once: true }); });
  }
  return worker.state;
}
