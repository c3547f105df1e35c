/**
 * The share of a feature, a number from 0 up to but not including 100 that depends on feature and id alone: the same on every machine,
 * in every process and release. An id has the feature at N per cent when its position is below N, so raising N never drops one.
 * FNV-1a over the UTF-16 units, finished by MurmurHash3's mixer because FNV's high bits barely move with the last characters.
 */
export function rolloutPosition(featureSeed: number, id: string): number {
  return (mix(fnv1a(featureSeed, id)) / 0x1_0000_0000) * 100;
}

/** Where the hash of a feature starts: computed once per feature, so that two features do not pick the same ids. */
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
