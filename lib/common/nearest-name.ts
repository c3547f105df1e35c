/**
 * The entry of `names` closest to `typed`, or `undefined`. Ignores case, `_` and `-`; up to a third
 * of the other letters may be wrong, missing or swapped.
 */
export function nearestName(typed: string, names: Iterable<string>): string | undefined {
  const wanted = bare(typed);
  // A name of this length is a payload, not a typo, and comparing it takes quadratic time.
  if (wanted.length > 100) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(wanted, bare(name));
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Shorter names are similar by design: `rpm` and `tpm`, `top_k` and `top_p`. */
const FEWEST_LETTERS = 6;
const MOST_SLIPS = 2;

/**
 * Finds the entry of `names` that is at most two edits away from `typed`, a name of at least six
 * letters, or differs only in case, `_` and `-`.
 */
export function nearMiss(typed: string, names: Iterable<string>): string | undefined {
  const wanted = bare(typed);
  if (wanted.length < FEWEST_LETTERS || wanted.length > 100) return undefined;
  for (const name of names) {
    const known = bare(name);
    if (Math.abs(known.length - wanted.length) <= MOST_SLIPS && name !== typed && editDistance(wanted, known) <= MOST_SLIPS) return name;
  }
  return undefined;
}

/** `" (did you mean X?)"`, or nothing: the end of a sentence about an unknown name. */
export function suggestion(typed: string, names: Iterable<string>): string {
  const name = nearestName(typed, names);
  return name === undefined ? '' : ` (did you mean ${name}?)`;
}

function bare(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours that lead from `a` to `b` (optimal
 * string alignment).
 */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(last[j] + 1, row[j - 1] + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, beforeLast[j - 2] + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}
