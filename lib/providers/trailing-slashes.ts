/**
 * The path without slashes at its end. The regular expression `/\/+$/` takes quadratic time over
 * slashes inside of a path.
 */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end--;
  return path.slice(0, end);
}
