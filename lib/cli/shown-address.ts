/** An address without what may be a secret: its login, its query, and what is no port. */
export function shownAddress(url: string): string {
  const [, scheme = '', rest] = /^(\w+:\/\/)?([^]*)$/.exec(url) ?? [];
  const [place, query] = rest.split('?', 2);
  const at = place.lastIndexOf('@');
  const host = place.slice(at + 1).replace(/:(?!\d+(?:\/|$))[^]*$/, ':***');
  return `${scheme}${at < 0 ? '' : '***@'}${host}${query === undefined ? '' : '?***'}`;
}
