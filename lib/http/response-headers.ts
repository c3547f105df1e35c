/** Express's response, Node's own, or Fastify's reply. */
export interface HeaderTarget {
  readonly headersSent?: boolean;
  setHeader?(name: string, value: string): unknown;
  header?(name: string, value: string): unknown;
}

/** Names are in lower case: Node would convert others for every answer. */
export type Headers = Record<string, string>;

/** Sets headers, unless a timeout or a stream of several GraphQL fields has begun the answer. */
export function setHeaders(target: HeaderTarget, headers: Headers): void {
  if (target.headersSent === true) return;
  for (const name in headers) {
    if (target.setHeader !== undefined) target.setHeader(name, headers[name]);
    else target.header?.(name, headers[name]);
  }
}
