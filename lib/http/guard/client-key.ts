import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';

/** What of a request says who sends it. */
export interface Identifiable {
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  /** The client's address, by the app's own rule for proxies. */
  readonly ip?: string;
}

/** Keys whose hash is remembered, for as long as twice as many others come by: to hash costs more than to decide. */
const REMEMBERED = 2048;
/** Longer ones are hashed each time: they would make much of a memory that anybody can fill. */
const LONGEST_REMEMBERED = 4096;
const BEARER = /^bearer\s+\S/i;
/** Those who check keys mostly bear more space and more words: none of that makes another client. */
const BEARER_KEY = /^bearer\s+(\S+)/i;
let recent = new Map<string, string>();
let older = new Map<string, string>();

/**
 * Who a request is counted for: the hash of its API key (`Authorization: Bearer`, `x-api-key`, `api-key`), without one its address.
 * The key itself is never kept as a counter's name. An API key is what the client says it is: only behind a check of it is it worth limiting by.
 */
export function clientKey({ headers, ip }: Identifiable): string {
  const credential = headers === undefined ? undefined : credentialOf(headers);
  return credential === undefined ? addressKey(ip) : hashedKey(credential);
}

/** The header that holds an API key, whole: to cut the scheme off each time would cost as much as finding its hash. */
function credentialOf(headers: NonNullable<Identifiable['headers']>): string | undefined {
  const { authorization } = headers;
  if (typeof authorization === 'string' && BEARER.test(authorization)) return authorization;
  const apiKey = headers['x-api-key'] ?? headers['api-key'];
  return typeof apiKey === 'string' && apiKey !== '' ? apiKey : undefined;
}

function hashedKey(credential: string): string {
  let key = recent.get(credential);
  if (key !== undefined) return key;
  key = older.get(credential) ?? hash(BEARER_KEY.exec(credential)?.[1] ?? credential);
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

/** As some proxies write a client into `X-Forwarded-For`: each connection has a port of its own. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]+)\](?::\d+)?)$/;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const DOTTED_END = /(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** An IPv6 client has a network of 64 bits to itself: its addresses are one client. */
function addressKey(ip: string | undefined): string {
  if (ip === undefined || ip === '') return 'ip:unknown';
  if (!ip.includes(':')) return `ip:${ip}`;
  const mapped = MAPPED.exec(ip);
  if (mapped !== null) return `ip:${mapped[1]}`;
  const [, v4, v6 = ip] = WITH_PORT.exec(ip) ?? [];
  if (v4 !== undefined) return `ip:${v4}`;
  return isIPv6(v6) ? `ip:${network(groupsOf(v6))}` : `ip:${ip}`;
}

/** The eight groups of an address. */
function groupsOf(ip: string): readonly number[] {
  const [address] = ip.split('%', 1);
  const hex = address.replace(DOTTED_END, (_, a: number, b: number, c: number, d: number) =>
    [a * 256 + +b, c * 256 + +d].map((pair) => pair.toString(16)).join(':'),
  );
  const [head, tail] = hex.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const groups = tail === undefined ? head : [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail];
  return groups.map((group) => parseInt(group, 16));
}

/** Its first four groups, in their shortest form; or the IPv4 address that is written as one. */
function network(groups: readonly number[]): string {
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return [groups[6] >> 8, groups[6] & 255, groups[7] >> 8, groups[7] & 255].join('.');
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}
