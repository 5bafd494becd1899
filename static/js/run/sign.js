// Hashes and signatures. The server signs the same text: keys sorted, no spaces, nothing escaped
// beyond what JSON needs.

const utf8 = new TextEncoder();

function hex(buffer) {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** JSON in the one form that both sides sign. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const keys = Object.keys(value).filter((key) => value[key] !== undefined).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** A function that puts `mac` on entries, with one run's token as the key. */
export async function signer(token) {
  const way = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", utf8.encode(token), way, false, ["sign"]);
  return async (entry) => {
    const mac = await crypto.subtle.sign("HMAC", key, utf8.encode(canonical(entry)));
    return { ...entry, mac: hex(mac) };
  };
}

/** The SHA-256 of bytes, in hex. */
export async function sha256(bytes) {
  return hex(await crypto.subtle.digest("SHA-256", bytes));
}
