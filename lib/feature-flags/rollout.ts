/**
 * The position of an id, from 0 to below 100, the same on every machine and in every release. An id
 * has the feature at N per cent if its position is below N: raising N never drops one. FNV-1a over
 * the UTF-16 units, finished by MurmurHash3's mixer, because the last characters barely change
 * FNV's high bits.
 */
export function rolloutPosition(featureSeed: number, id: string): number {
  return (mix(fnv1a(featureSeed, id)) / 0x1_0000_0000) * 100;
}

/** The start of a feature's hash, so that two features do not select the same ids. */
export function rolloutSeed(feature: string): number {
  return mix(fnv1a(0x811c9dc5, feature));
}

function fnv1a(seed: number, text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
