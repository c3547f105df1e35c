/** An address without parts that can be secret: its login, its query, and an invalid port. */
export function shownAddress(url: string): string {
  const [, scheme = '', rest] = /^(\w+:\/\/)?([^]*)$/.exec(url) ?? [];
  const [place, query] = rest.split('?', 2);
  const at = place.lastIndexOf('@');
  const host = place.slice(at + 1).replace(/:(?!\d+(?:\/|$))[^]*$/, ':***');
  return `${scheme}${at < 0 ? '' : '***@'}${host}${query === undefined ? '' : '?***'}`;
}
