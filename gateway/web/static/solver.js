// Solves a challenge of altcha's second protocol: finds the number which, written after the nonce,
// gives a PBKDF2 key that begins as the challenge says. The browser's own code does the work.
"use strict";
const AT_ONCE = 16; // so that the browser can use its cores

const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
const hex = (buffer) =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

onmessage = async ({ data: { nonce, salt, cost, keyLength, keyPrefix } }) => {
  const start = bytes(nonce);
  const how = { name: "PBKDF2", hash: "SHA-256", salt: bytes(salt), iterations: cost };

  async function attempt(counter) {
    const password = new Uint8Array(start.length + 4);
    password.set(start);
    new DataView(password.buffer).setUint32(start.length, counter);
    const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    return { counter, derivedKey: hex(await crypto.subtle.deriveBits(how, key, keyLength * 8)) };
  }

  for (let first = 0; ; first += AT_ONCE) {
    const tried = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => attempt(first + n)));
    const found = tried.find(({ derivedKey }) => derivedKey.startsWith(keyPrefix));
    if (found) {
      postMessage(found);
      return;
    }
  }
};
