/** Comparisons and hashes that give the same answer in every locale, engine and process. */

/** By UTF-16 code unit; never `localeCompare`, whose order depends on the machine's locale. */
export function compareText(left: string, right: string): number {
  if (left < right) return -1;
  return left > right ? 1 : 0;
}

/** Two rounds of 32-bit multiplication over the text's code units: 53 well-mixed bits. */
export function hashText(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return 4294967296 * (2097151 & (low >>> 0)) + (high >>> 0);
}

/** Mixes two hashes into 32 well-spread bits; the order of the two matters. */
export function mixHashes(first: number, second: number): number {
  let mixed = Math.imul(first | 0, 0x9e3779b1) ^ Math.imul((second | 0) ^ 0x5bd1e995, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x27d4eb2f);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/**
 * Rendezvous (highest random weight) hashing: among equals the place with the highest weight wins. A node that is
 * added or removed changes the answer only for the guests it wins or held.
 */
export function rendezvousWeight(guestKey: string, placeKey: string): number {
  return mixHashes(hashText(guestKey), hashText(placeKey));
}
