// Note the next news of the worker; `told` is kept with the page.
() => {
  globalThis.told = new Promise((resolve) => {
    new BroadcastChannel("hearthwatch-run").onmessage = ({ data }) => resolve(data);
  });
}
