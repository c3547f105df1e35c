import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';

/** The parts of a request that say who sends it. */
export interface Identifiable {
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  /** The client's address, by the app's own proxy settings. */
  readonly ip?: string;
}

/** Hashes remembered, in two generations: hashing costs more than a decision. */
const REMEMBERED = 2048;
/** Longer credentials are not remembered: they would fill the memory. */
const LONGEST_REMEMBERED = 4096;
/** Guards mostly accept more spaces and words, so neither makes another client. */
const BEARER_KEY = /^bearer\s+(\S+)/i;
let recent = new Map<string, string>();
let older = new Map<string, string>();

/**
 * The key of a client: the hash of its API key (`Authorization: Bearer`, `x-api-key`, `api-key`),
 * otherwise its address. The hash keeps API keys out of counters, Redis and logs. A client can
 * claim any API key: limit by it only after a guard that checks it.
 */
export function clientKey({ headers, ip }: Identifiable): string {
  const credential = headers === undefined ? undefined : credentialOf(headers);
  return credential === undefined ? addressKey(ip) : hashedKey(credential);
}

/** The whole header with the API key: cutting the scheme off costs as much as the hash look-up. */
function credentialOf(headers: NonNullable<Identifiable['headers']>): string | undefined {
  const { authorization } = headers;
  if (typeof authorization === 'string' && BEARER_KEY.test(authorization)) return authorization;
  const apiKey = headers['x-api-key'] ?? headers['api-key'];
  return typeof apiKey === 'string' && apiKey !== '' ? apiKey : undefined;
}

function hashedKey(credential: string): string {
  const known = recent.get(credential);
  if (known !== undefined) return known;
  const key = older.get(credential) ?? hash(BEARER_KEY.exec(credential)?.[1] ?? credential);
  if (credential.length > LONGEST_REMEMBERED) return key;
  if (recent.size >= REMEMBERED) {
    older = recent;
    recent = new Map();
  }
  recent.set(credential, key);
  return key;
}

function hash(apiKey: string): string {
  return `key:${createHash('sha256').update(apiKey).digest('base64url').slice(0, 22)}`;
}

/** With zone and port. Longer texts are not addresses, and would fill the memory as keys. */
const LONGEST_ADDRESS = 128;
/** Some proxies write a client into `X-Forwarded-For` with the port of its connection. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]+)\](?::\d+)?)$/;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const DOTTED_END = /(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/**
 * Returns the key of a client's address, for the `key` of a rule: `ip:203.0.113.7`. An IPv6 client
 * usually has a whole /64 network, so all addresses in it share a key: `ip:2001:db8:1:2::/64`.
 *
 * @param ip The address according to the app's proxy settings, `request.ip`.
 * @example
 * \@RateLimit({ key: (request) => request.user?.id ?? addressKey(request.ip) })
 */
export function addressKey(ip: string | undefined): string {
  if (ip === undefined || ip === '' || ip.length > LONGEST_ADDRESS) return 'ip:unknown';
  if (!ip.includes(':')) return `ip:${ip}`;
  const mapped = MAPPED.exec(ip);
  if (mapped !== null) return `ip:${mapped[1]}`;
  const [, v4, v6 = ip] = WITH_PORT.exec(ip) ?? [];
  if (v4 !== undefined) return `ip:${v4}`;
  return isIPv6(v6) ? `ip:${network(groupsOf(v6))}` : `ip:${ip}`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(ip: string): readonly number[] {
  const [address] = ip.split('%', 1);
  const hex = address.replace(DOTTED_END, (_, a: number, b: number, c: number, d: number) =>
    [a * 256 + +b, c * 256 + +d].map((pair) => pair.toString(16)).join(':'),
  );
  const [head, tail] = hex.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const groups = tail === undefined ? head : [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail];
  return groups.map((group) => parseInt(group, 16));
}

/** The first four groups in their shortest form, or the IPv4 address that is mapped into IPv6. */
function network(groups: readonly number[]): string {
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return [groups[6] >> 8, groups[6] & 255, groups[7] >> 8, groups[7] & 255].join('.');
  }
  const hex = groups.slice(0, 4).map((group) => group.toString(16));
  return `${hex.join(':')}::/64`;
}
