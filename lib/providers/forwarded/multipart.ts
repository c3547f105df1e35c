import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { atOnce, inTurns } from '../../common/next-turn.js';
import { refuseArgument } from '../../common/options.js';

/** A part of a form: its position in the bytes, and its name. */
interface FormPart {
  readonly name: string;
  /** Whether it is a file: it has a file name. */
  readonly isFile: boolean;
  /** Start of its headers, after the boundary's line. */
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

const TYPE = /^multipart\/form-data[ \t]*(?:;|$)/i;
/** RFC 2046: 1 to 70 characters. */
const BOUNDARY = /;[ \t]*boundary=(?:"([\w'()+,./:=? -]{1,70})"|([\w'()+,./:=?-]{1,70}))[ \t]*(?:;|$)/i;
const DISPOSITION = /^content-disposition[ \t]*:([^\r\n]*)/gim;
const FORM_DATA = /^[ \t]*form-data[ \t]*/i;
/** After the previous parameter, because a name inside a file name does not count. */
const PARAMETER = /;[ \t]*([\w*-]{1,100})=(?:"([^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*)"|([^\s";]{1,8000}))[ \t]*/y;
const LONGEST_NAME = 1000;
/** A header that continues on the next line: some servers join the lines, others do not. */
const FOLDED = /^[ \t]/m;
/** Some servers decode such a part, others use its text unchanged. */
const ENCODED = /^content-transfer-encoding[ \t]*:(?![ \t]*(?:7bit|8bit|binary)[ \t\r]*$)/im;
const CRLF = Buffer.from('\r\n');
const END_OF_HEADERS = Buffer.from('\r\n\r\n');
const DASH = 45;
const [CR, LF, SPACE, TAB] = Buffer.from('\r\n \t');
const MOST_PARTS = 1000;
/** Bytes searched for a boundary in one step: at worst 0.2 ms. */
const BYTES_PER_STEP = 128 * 1024;
const LONGEST_HEADERS = 8 * 1024;
const LONGEST_TEXT = 64 * 1024;
/** Text fields that can occur several times, also without the brackets of `include[]`. */
const LISTS: ReadonlySet<string> = new Set([
  'include',
  'timestamp_granularities',
  'known_speaker_names',
  'known_speaker_references',
  'tags',
]);
/** How some servers read `Model`, ` model` and `model[]`. */
const BARE_NAME = /^\s*([^[\s]*)/;
const MODEL = 'model';

/**
 * A body of `multipart/form-data`: its original bytes, and the positions of its parts. Parsing
 * copies nothing and takes linear time.
 */
export class MultipartBody {
  private constructor(
    readonly bytes: Buffer,
    readonly contentType: string,
    private readonly boundary: string,
    private readonly parts: readonly FormPart[],
  ) {}

  /** @throws InvalidArgumentError for anything but a complete form. */
  static parse(bytes: Buffer, contentType: string): MultipartBody {
    return atOnce(MultipartBody.steps(bytes, contentType));
  }

  /** Parses in several turns of the event loop. */
  static parseInTurns(bytes: Buffer, contentType: string): Promise<MultipartBody> {
    return inTurns(MultipartBody.steps(bytes, contentType));
  }

  private static *steps(bytes: Buffer, contentType: string): Generator<undefined, MultipartBody> {
    const boundary = boundaryIn(contentType);
    const parts = yield* partsIn(bytes, boundary);
    yield;
    checkFields(parts);
    return new MultipartBody(bytes, contentType, boundary, parts);
  }

  /** Creates a body from a `FormData`, with its files. */
  static async of(form: FormData): Promise<MultipartBody> {
    const encoded = new Response(form);
    const bytes = Buffer.from(await encoded.arrayBuffer());
    return MultipartBody.parse(bytes, encoded.headers.get('content-type') ?? '');
  }

  /**
   * Returns the text of a field.
   * @throws InvalidArgumentError if it is long.
   */
  text(name: string): string | undefined {
    const part = this.parts.find((each) => each.name === name && !each.isFile);
    if (part === undefined) return undefined;
    if (part.end - part.contentStart > LONGEST_TEXT) {
      throw new InvalidArgumentError(name, part.end - part.contentStart, `must be a string of at most ${LONGEST_TEXT} bytes`);
    }
    return this.bytes.toString('utf8', part.contentStart, part.end);
  }

  /** Returns the contents of all files. */
  files(): Buffer[] {
    return this.parts.filter(({ isFile }) => isFile).map(({ contentStart, end }) => this.bytes.subarray(contentStart, end));
  }

  /** Returns the texts of all short fields that are not files. */
  fields(): Record<string, string> {
    const short = this.parts.filter(({ isFile, contentStart, end }) => !isFile && end - contentStart <= LONGEST_TEXT);
    return Object.fromEntries(short.map(({ name, contentStart, end }) => [name, this.bytes.toString('utf8', contentStart, end)]));
  }

  /** Returns the bytes with another `model`, and without the fields in `drops`. */
  withModel(model: string, drops: (name: string) => boolean): Buffer {
    const delimiter = Buffer.from(`--${this.boundary}\r\n`);
    const written: Buffer[] = [];
    const add = (...content: Buffer[]): void => void written.push(delimiter, ...content, CRLF);
    for (const part of this.parts) {
      if (part.name !== MODEL && !drops(part.name)) add(this.bytes.subarray(part.start, part.end));
    }
    add(Buffer.from(`content-disposition: form-data; name="model"\r\n\r\n${model}`));
    return Buffer.concat([...written, Buffer.from(`--${this.boundary}--\r\n`)]);
  }

  /** Returns the bytes without the fields in `drops`. */
  without(drops: (name: string) => boolean): Buffer {
    const delimiter = Buffer.from(`--${this.boundary}\r\n`);
    const kept = this.parts.filter(({ name }) => !drops(name));
    if (kept.length === this.parts.length) return this.bytes;
    const written = kept.flatMap(({ start, end }) => [delimiter, this.bytes.subarray(start, end), CRLF]);
    return Buffer.concat([...written, Buffer.from(`--${this.boundary}--\r\n`)]);
  }
}

/**
 * Servers read the first or the last of several fields, and some accept a file as a text. The field
 * checked here has to be the one that the provider reads.
 */
function checkFields(parts: readonly FormPart[]): void {
  const texts = new Set<string>();
  const files = new Set<string>();
  for (const { name, isFile } of parts) {
    const isModel = BARE_NAME.exec(name)?.[1].toLowerCase() === MODEL;
    if (isModel && (isFile || name !== MODEL)) throw refuseArgument(MODEL, name, 'must be a text field with exactly this name');
    const isRepeated = texts.has(name) && !LISTS.has(name) && !name.endsWith('[]');
    if (isFile ? texts.has(name) : isRepeated || files.has(name)) throw refuseArgument('body', name, 'must not repeat a text field');
    (isFile ? files : texts).add(name);
  }
}

function boundaryIn(contentType: string): string {
  const [, quoted, plain] = (TYPE.test(contentType) && BOUNDARY.exec(contentType)) || [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw broken('must be multipart/form-data with a boundary');
  return boundary;
}

function* partsIn(bytes: Buffer, boundary: string): Generator<undefined, FormPart[]> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const opening = delimiter.subarray(CRLF.length);
  // Bytes before the first boundary are ignored (RFC 2046).
  let at = bytes.subarray(0, opening.length).equals(opening) ? -CRLF.length : yield* placeOf(delimiter, bytes, 0);
  const parts: FormPart[] = [];
  while (at !== -1) {
    const behind = at + delimiter.length;
    if (bytes[behind] === DASH && bytes[behind + 1] === DASH) return parts;
    if (parts.length >= MOST_PARTS) throw broken(`must have at most ${MOST_PARTS} parts`);
    const start = endOfLine(bytes, behind);
    const end = yield* placeOf(delimiter, bytes, start - CRLF.length);
    if (end === -1) break;
    parts.push(partAt(bytes, start, end));
    at = end;
    yield;
  }
  throw broken('must end with the boundary');
}

/** As `indexOf`. */
function* placeOf(delimiter: Buffer, bytes: Buffer, from: number): Generator<undefined, number> {
  for (let start = from; start < bytes.length; start += BYTES_PER_STEP) {
    const at = bytes.subarray(start, start + BYTES_PER_STEP + delimiter.length - 1).indexOf(delimiter);
    if (at !== -1) return start + at;
    yield;
  }
  return -1;
}

/** Behind the line of a boundary, which may have spaces at its end. */
function endOfLine(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === SPACE || bytes[at] === TAB) at++;
  if (bytes[at] === CR && bytes[at + 1] === LF) return at + CRLF.length;
  throw broken('must have each boundary on its own line');
}

function partAt(bytes: Buffer, start: number, end: number): FormPart {
  const headersEnd = bytes.subarray(start, Math.min(end, start + LONGEST_HEADERS)).indexOf(END_OF_HEADERS);
  if (headersEnd === -1) throw broken('must have headers for each part');
  const headers = bytes.toString('utf8', start, start + headersEnd);
  const dispositions = [...headers.matchAll(DISPOSITION)];
  const parameters = dispositions.length === 1 ? parametersIn(dispositions[0][1]) : undefined;
  const name = parameters?.get('name');
  // Servers read other headers differently, but the checked field must be the one that counts.
  if (parameters === undefined || FOLDED.test(headers) || parameters.has('name*')) throw broken('must have exactly one name for each part');
  if (ENCODED.test(headers)) throw broken('must not use a transfer encoding for parts');
  if (name === undefined || name.length > LONGEST_NAME) throw broken('must have a name for each part');
  const isFile = parameters.has('filename') || parameters.has('filename*');
  return { name, isFile, start, contentStart: start + headersEnd + END_OF_HEADERS.length, end };
}

/** `undefined` for any other syntax, or a repeated parameter. */
function parametersIn(disposition: string): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  let at = FORM_DATA.exec(disposition)?.[0].length;
  if (at === undefined) return undefined;
  while (at < disposition.length) {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(disposition);
    if (found === null) return disposition.slice(at).trim() === ';' ? parameters : undefined;
    const [whole, key, quoted, plain] = found;
    const name = key.toLowerCase();
    // A name must be in quotes, as all clients send it, and contain no escapes.
    if (parameters.has(name) || (name === 'name' && quoted?.includes('\\') !== false)) return undefined;
    parameters.set(name, quoted ?? plain);
    at += whole.length;
  }
  return parameters;
}

function broken(rule: string): InvalidArgumentError {
  return new InvalidArgumentError('body', NO_VALUE, rule);
}
