// What the tablet keeps: one IndexedDB, written so that a flat battery loses nothing.

const NAME = "hearthwatch";
const VERSION = 1;
const BY_DEVICE = { keyPath: ["device", "count"] };
// meta: the device, its counter, its choices. runs: packs with the server's log and the run's key.
// outbox: written, not yet confirmed. sent: confirmed, until the server's own copy is here.
// flagged: kept by the server for somebody to look at. photos: by run and hash. sites: prepared.
const STORES = {
  meta: {},
  runs: { keyPath: "id" },
  outbox: BY_DEVICE,
  sent: BY_DEVICE,
  flagged: BY_DEVICE,
  photos: { keyPath: ["run", "sha256"] },
  sites: { keyPath: "slug" },
};
const BY_RUN = ["outbox", "sent", "flagged", "photos"];

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) {
        const store = request.result.createObjectStore(name, options);
        if (BY_RUN.includes(name)) store.createIndex("run", "run");
      }
    };
    request.onsuccess = () => {
      // A newer program in another window may change the stores; the next act reopens.
      request.result.onversionchange = () => { request.result.close(); opened = null; };
      request.result.onclose = () => { opened = null; };
      resolve(request.result);
    };
    request.onerror = () => { opened = null; reject(request.error); };
  });
  return opened;
}

/** The result of one request. */
export function ask(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function transact(names, mode, act) {
  const database = await open();
  const transaction = database.transaction(names, mode, { durability: "strict" });
  const stores = Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)]));
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("The storage gave up."));
  });
  ended.catch(() => undefined);
  let result;
  try {
    result = await act(stores);
  } catch (error) {
    try { transaction.abort(); } catch { /* it ended by itself */ }
    throw error;
  }
  await ended;
  return result;
}

/** Do `act` on the stores in one transaction; returns once the disk has it, or nothing happened. */
export function write(names, act) {
  return transact(names, "readwrite", act);
}

/** Look at the stores in one transaction. */
export function read(names, act) {
  return transact(names, "readonly", act);
}

/** One value of `meta`. */
export function remembered(key) {
  return read(["meta"], ({ meta }) => ask(meta.get(key)));
}

/** Keep one value of `meta`. */
export function remember(key, value) {
  return write(["meta"], ({ meta }) => ask(meta.put(value, key)));
}
