import { lookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { InvalidConfigurationError } from '../../common/errors.js';
import { checkString, refuseOption } from '../../common/options.js';

type Family = 'ipv4' | 'ipv6';
type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** `dns.lookup`, as sockets call it. */
export type LookupHost = (hostname: string, options: { readonly all?: boolean }, callback: LookupCallback) => void;

/**
 * A connection would go to an address that is neither public nor on the allow-list. The operator
 * has to correct it, so clients do not see the message.
 */
export class AddressNotAllowedError extends InvalidConfigurationError {
  constructor(
    readonly hostname: string,
    readonly reason: string,
  ) {
    super(hostname, `${reason}; to allow it, add it to admin.allowedAddresses or FAST_LITELLM_ALLOWED_ADDRESSES`);
  }
}

/** IPv4 ranges that are not public, by IANA's registry, and Azure's host agent. */
const PRIVATE_V4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24'],
  ...['192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3', '168.63.129.16/32'],
];
/** The only public range of IPv6, and the non-public ranges in it. */
const PUBLIC_V6 = ['2000::/3'];
const PRIVATE_V6 = ['2001::/23', '2001:db8::/32', '3fff::/20'];
/** Ranges whose addresses contain one of IPv4: its first byte's position. */
const EMBEDDED_V4 = [
  { range: '::ffff:0:0/96', at: 12 },
  { range: '64:ff9b::/96', at: 12 },
  { range: '2002::/16', at: 2 },
];
const LOCAL_NAME = /(?:^|\.)localhost$/;

const privateV4 = listOf(PRIVATE_V4);
const publicV6 = listOf(PUBLIC_V6);
const privateV6 = listOf(PRIVATE_V6);
const embedded = EMBEDDED_V4.map(({ range, at }) => ({ list: listOf([range]), at }));

/**
 * Keeps connections away from private, loopback, link-local and other addresses that are not
 * public, except those on an allow-list. It checks the address to which a name resolves at the
 * moment of connecting, so a name whose address changes cannot pass.
 */
export class AddressGuard {
  private readonly names = new Set<string>();
  private readonly domains: string[] = [];
  private readonly ranges = new BlockList();

  /**
   * @param allowed hosts (`ollama`, `*.internal.example`), addresses and ranges (`10.0.0.0/8`)
   * @throws InvalidConfigurationError for an invalid entry
   */
  constructor(
    allowed: readonly string[] = [],
    path = 'allowedAddresses',
    private readonly resolve: LookupHost = lookup,
  ) {
    for (const [index, entry] of allowed.entries()) this.allow(`${path}[${index}]`, entry);
  }

  /**
   * Why no connection to a host may be opened; `undefined` for a public address, an allowed host,
   * and a name that has to be resolved first.
   */
  refusalOf(hostname: string): AddressNotAllowedError | undefined {
    const host = hostOf(hostname);
    if (this.allowsName(host)) return undefined;
    if (isIP(host) !== 0) return this.allowsAddress(host) ? undefined : new AddressNotAllowedError(host, 'is not a public address');
    return LOCAL_NAME.test(host) ? new AddressNotAllowedError(host, 'is an address of this machine') : undefined;
  }

  /**
   * Resolves a host and checks it. Resolves to why it is denied. A name without addresses passes.
   */
  async check(hostname: string): Promise<AddressNotAllowedError | undefined> {
    const refusal = this.refusalOf(hostname);
    const host = hostOf(hostname);
    if (refusal !== undefined || isIP(host) !== 0) return refusal;
    return new Promise((resolve) => {
      this.lookup(host, { all: true }, (error) => resolve(error instanceof AddressNotAllowedError ? error : undefined));
    });
  }

  /** `lookup` for sockets: fails if any of the addresses is denied. */
  readonly lookup: LookupHost = (hostname, options, callback) => {
    this.resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, []);
      const addresses = found as LookupAddress[];
      const host = hostOf(hostname);
      const denied = this.allowsName(host) ? undefined : addresses.find(({ address }) => !this.allowsAddress(address));
      if (denied !== undefined) {
        const reason = `resolves to ${denied.address}, which is not a public address`;
        return callback(new AddressNotAllowedError(host, reason), []);
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first.address, first.family);
    });
  };

  private allow(path: string, given: unknown): void {
    const entry = checkString(path, given).toLowerCase();
    const [base, bits, ...more] = entry.split('/');
    const host = hostOf(base);
    const family = isIP(host);
    if (bits !== undefined) {
      const isRange = family !== 0 && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
      if (!isRange) throw refuseOption(path, given, 'must be a host, an address, or a range such as 10.0.0.0/8');
      this.ranges.addSubnet(host, Number(bits), familyOf(host));
    } else if (family !== 0) this.ranges.addAddress(host, familyOf(host));
    else if (/^\*\.[\w.-]+$/.test(host)) this.domains.push(host.slice(1));
    else if (/^[\w.-]+$/.test(host)) this.names.add(host);
    else throw refuseOption(path, given, 'must be a host without a protocol and a port, an address, or a range such as 10.0.0.0/8');
  }

  private allowsName(host: string): boolean {
    return this.names.has(host) || this.domains.some((domain) => host.endsWith(domain));
  }

  private allowsAddress(address: string): boolean {
    const plain = withoutZone(address);
    return isPublic(plain) || this.ranges.check(plain, familyOf(plain)) || this.allowsEmbedded(plain);
  }

  /** An allowed IPv4 address, written as one of IPv6. */
  private allowsEmbedded(address: string): boolean {
    const inner = embeddedV4(address);
    return inner !== undefined && this.ranges.check(inner, 'ipv4');
  }
}

/** Whether anyone can reach an address from the internet. */
export function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !privateV4.check(address, 'ipv4');
  if (isIP(address) !== 6) return false;
  const inner = embeddedV4(address);
  if (inner !== undefined) return !privateV4.check(inner, 'ipv4');
  return publicV6.check(address, 'ipv6') && !privateV6.check(address, 'ipv6');
}

/** A host as a URL has it, without brackets, the dot of the root, and a zone. */
function hostOf(hostname: string): string {
  const host = hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  return withoutZone(host);
}

function withoutZone(address: string): string {
  const at = address.indexOf('%');
  return at < 0 ? address : address.slice(0, at);
}

function embeddedV4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  const found = embedded.find(({ list }) => list.check(address, 'ipv6'));
  return (
    found &&
    bytesOf(address)
      .slice(found.at, found.at + 4)
      .join('.')
  );
}

/** The 16 bytes of an IPv6 address. */
function bytesOf(address: string): number[] {
  // URLs write an IPv4 suffix in hexadecimal.
  const [, text] = /^\[(.*)\]$/.exec(new URL(`http://[${address}]`).hostname) as RegExpExecArray;
  const [head, tail] = text.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const groups = tail === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}

function familyOf(address: string): Family {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [base, bits] = range.split('/');
    list.addSubnet(base, Number(bits), familyOf(base));
  }
  return list;
}
