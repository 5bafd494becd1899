// Pictures of a runbook: fetched once with the run's key, kept, and shown from what is kept.

const STORE = "run-pictures";

async function fetched(url, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(url, { headers });
  if (!answer.ok) throw new Error(`The picture answered ${answer.status}.`);
  if (globalThis.caches) await (await caches.open(STORE)).put(url, answer.clone());
  return answer;
}

async function kept(url) {
  return globalThis.caches ? caches.match(url, { ignoreVary: true }) : undefined;
}

/** Show a picture in an element; without the network and a kept copy its words stand alone. */
export async function showPicture(image, url, token) {
  try {
    const answer = (await kept(url)) ?? (await fetched(url, token));
    image.src = URL.createObjectURL(await answer.blob());
  } catch {
    image.remove();
  }
}

/** Keep every picture of a run, so that none has to be fetched at the site. */
export async function keepPictures(steps, token) {
  for (const url of steps.map((step) => step.picture?.url).filter(Boolean)) {
    try {
      if (!(await kept(url))) await fetched(url, token);
    } catch { /* the next visit tries again */ }
  }
}
