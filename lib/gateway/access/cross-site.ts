import type { IncomingHttpHeaders } from 'node:http';

const SCHEME_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
/** A dot and a top-level domain, as the names of web sites have. */
const SITE_NAME = /\.[a-z][a-z0-9-]*\.?$/;

/**
 * Returns whether a browser sent the request from a page of another site. Checks `Sec-Fetch-Site`
 * or, over plain HTTP, where browsers omit it, compares `Origin` with the host. Programs send
 * neither. Following a link is not cross-site.
 */
export function isCrossSite(method: string, headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none' && !isNavigation(method, headers);
  const { origin } = headers;
  return origin !== undefined && !isOwn(origin, headers.host);
}

/**
 * Returns whether `Host` may be another site's name that resolves to this machine (DNS rebinding).
 * @param hosts names of this server, in lower case
 */
export function isForeignHost(host: string | undefined, hosts: readonly string[]): boolean {
  const name = (host ?? '').replace(/:\d*$/, '').toLowerCase();
  // Addresses, `localhost` and other names without a dot cannot belong to a web site.
  const isSite = SITE_NAME.test(name) && !name.endsWith('.localhost');
  return isSite && !hosts.includes(name);
}

function isNavigation(method: string, headers: IncomingHttpHeaders): boolean {
  return method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

function isOwn(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const url = new URL(origin);
  const asked = host.toLowerCase();
  return url.host !== '' && (url.host === asked || `${url.host}:${SCHEME_PORTS[url.protocol]}` === asked);
}
