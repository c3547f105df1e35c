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

/** An IPv6 client has a network of 64 bits to itself: its addresses are one client. */
function addressKey(ip: string | undefined): string {
  if (ip === undefined || ip === '') return 'ip:unknown';
  if (!ip.includes(':')) return `ip:${ip}`;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip);
  if (mapped !== null) return `ip:${mapped[1]}`;
  return isIPv6(ip) ? `ip:${network(ip)}` : `ip:${ip}`;
}

/** The first four groups, in their shortest form. */
function network(ip: string): string {
  const [head, tail] = ip.split('%', 1)[0].split('::');
  const groups = head === '' ? [] : head.split(':');
  const known = groups.length + (tail === undefined || tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0));
  const all = tail === undefined ? groups : [...groups, ...Array<string>(Math.max(0, 8 - known)).fill('0'), ...tail.split(':')];
  return `${all
    .slice(0, 4)
    .map((group) => (parseInt(group, 16) || 0).toString(16))
    .join(':')}::/64`;
}
