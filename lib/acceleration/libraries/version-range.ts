/** Tested versions, both ends included. */
export interface VersionRange {
  readonly from: string;
  readonly to: string;
}

const RELEASE = /^(\d+)\.(\d+)\.(\d+)$/;

/** Whether a version is in the range. A pre-release is not. */
export function isWithin(version: string, { from, to }: VersionRange): boolean {
  return RELEASE.test(version) && compare(version, from) >= 0 && compare(version, to) <= 0;
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const at = left.findIndex((number, index) => number !== right[index]);
  return at < 0 ? 0 : left[at] - right[at];
}
