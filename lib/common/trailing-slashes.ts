/** The path without the slashes at its end. A regular expression, `/\/+$/`, takes quadratic time over slashes that are followed by anything else. */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end--;
  return path.slice(0, end);
}
