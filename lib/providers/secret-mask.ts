const NONE = Buffer.alloc(0);
const MASK = Buffer.from('***');
const [LINE_FEED, BACKSLASH, PERCENT, SMALL_U, ZERO] = Buffer.from('\n\\%u0');
/** Shorter secrets would mask ordinary words of an error. */
const SHORTEST = 4;
/** Placeholders for servers without keys (`none`, `sk-no-key-required`), common in answers. */
const PLACEHOLDER = /^(?:.{1,7}|[a-z][a-z_-]{0,18})$/i;
/** Characters that neither JSON nor URLs escape. */
const PLAIN = /[\w.-]+/g;
/** Bytes of a character in its longest form, `\u002f`. */
const LONGEST_CHARACTER = 6;
/** `endOf`: another text, or bytes that end within the secret. */
const [OTHER, CUT] = [-1, -2];

/** A secret, and the part of it that is searched for: a native search is fast. */
interface Sought {
  readonly isPlaceholder: boolean;
  readonly secret: Buffer;
  readonly needle: Buffer;
  /** Bytes of the secret before the needle. */
  readonly before: number;
}

/**
 * Masks the secrets of a deployment in everything that its provider sends, because some providers
 * repeat a rejected key in an answer. Also finds secrets with JSON escapes (`\/`, `\u002f`) and URL
 * escapes (`%2F`).
 */
export class SecretMask {
  private readonly all: readonly Sought[];
  /** Without placeholders. */
  private readonly real: readonly Sought[];

  constructor(secrets: readonly string[]) {
    const distinct = [...new Set(secrets)].filter(({ length }) => length >= SHORTEST);
    // The longest first, because it can contain another one.
    this.all = distinct.sort((one, other) => other.length - one.length).map(soughtOf);
    this.real = this.all.filter(({ isPlaceholder }) => !isPlaceholder);
  }

  /** Whether answers are passed on as they are. */
  get isEmpty(): boolean {
    return this.real.length === 0;
  }

  /** Masks the text of an error. */
  text(text: string): string {
    const bytes = Buffer.from(text);
    const masked = this.bytes(bytes, this.all);
    return masked === bytes ? text : masked.toString('utf8');
  }

  /** Masks an answer or a part of it; returns the same bytes if they contain no secret. */
  bytes(bytes: Buffer, secrets = this.real): Buffer {
    let masked = bytes;
    for (const sought of secrets) if (masked.includes(sought.needle)) masked = without(masked, sought);
    return masked;
  }

  /** Also without `data`, because HTTP parsers keep bytes that begin anywhere in a secret. */
  error(error: Error): Error {
    const { data, code } = error as { readonly data?: unknown; readonly code?: unknown };
    const message = this.text(error.message);
    if (message === error.message && data === undefined) return error;
    return Object.assign(new Error(message), { name: error.name, ...(code !== undefined && { code }) });
  }

  /** Start of a partial secret at the end of `bytes`; their length if there is none. */
  cutIn(bytes: Buffer): number {
    const { length } = bytes;
    // Like nearly all chunks of events.
    if (bytes[length - 1] === LINE_FEED) return length;
    let cut = length;
    for (const { secret } of this.real) {
      for (let at = Math.max(0, length - secret.length * LONGEST_CHARACTER); at < cut; at++) {
        if (endOf(secret, bytes, at) === CUT) cut = at;
      }
    }
    return cut;
  }
}

/** Masks a stream, whose chunks can split a secret. */
export class MaskedStream {
  private kept: Buffer = NONE;

  constructor(private readonly mask: SecretMask) {}

  /** A possible beginning of a secret waits for the next chunk. */
  pass(received: Buffer): Buffer {
    const { mask, kept } = this;
    const bytes = mask.bytes(kept.length === 0 ? received : Buffer.concat([kept, received]));
    const cut = mask.cutIn(bytes);
    if (cut === bytes.length) {
      this.kept = NONE;
      return bytes;
    }
    this.kept = Buffer.from(bytes.subarray(cut));
    return bytes.subarray(0, cut);
  }

  /** The waiting bytes, at the end of the stream. */
  rest(): Buffer {
    const { kept } = this;
    this.kept = NONE;
    return kept;
  }
}

function soughtOf(text: string): Sought {
  let plain = '';
  let before = 0;
  for (const { 0: run, index } of text.matchAll(PLAIN)) {
    if (run.length <= plain.length) continue;
    plain = run;
    before = Buffer.byteLength(text.slice(0, index));
  }
  const secret = Buffer.from(text);
  return { isPlaceholder: PLACEHOLDER.test(text), secret, needle: plain === '' ? secret : Buffer.from(plain), before };
}

function without(bytes: Buffer, { secret, needle, before }: Sought): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let hit = bytes.indexOf(needle); hit >= 0; hit = bytes.indexOf(needle, Math.max(hit + 1, from))) {
    for (let at = Math.max(from, hit - before * LONGEST_CHARACTER); at <= hit - before; at++) {
      const end = endOf(secret, bytes, at);
      if (end < 0) continue;
      parts.push(bytes.subarray(from, at), MASK);
      from = end;
      break;
    }
  }
  return from === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(from)]);
}

/** Offset after a secret at `at`, in any of its forms; else `OTHER` or `CUT`. */
function endOf(secret: Buffer, bytes: Buffer, at: number): number {
  let next = at;
  for (const character of secret) {
    if (next >= bytes.length) return CUT;
    if (bytes[next] === character) {
      next++;
      continue;
    }
    const isEscape = bytes[next] === BACKSLASH;
    if (!isEscape && bytes[next] !== PERCENT) return OTHER;
    if (isEscape && bytes[next + 1] === character) {
      next += 2;
      continue;
    }
    // `\u002f` has two zeros before its digits.
    const digits = isEscape ? next + 4 : next + 1;
    if (bytes.length < digits + 2) return CUT;
    if (isEscape && (bytes[next + 1] !== SMALL_U || bytes[next + 2] !== ZERO || bytes[next + 3] !== ZERO)) return OTHER;
    if (parseInt(bytes.toString('latin1', digits, digits + 2), 16) !== character) return OTHER;
    next = digits + 2;
  }
  return next;
}
