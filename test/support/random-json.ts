import { seededRandom } from './random-text.js';

const SPACES = ['', '', '', '', ' ', '\n', '\t', '\r\n', ' \t \n'];
const PLAIN = [
  'a',
  'the router ',
  'gpt-4o',
  '{',
  '}[',
  '],',
  ':',
  '/',
  "'",
  'é',
  'ß',
  '字',
  '日本語',
  'ไทย',
  '🦀',
  '👩‍👩‍👧',
  '\u007f',
  '\u2028',
  '\ufeff',
];
const ESCAPES = [
  '\\n',
  '\\t',
  '\\r',
  '\\b',
  '\\f',
  '\\"',
  '\\\\',
  '\\/',
  '\\u0000',
  '\\u001F',
  '\\u0041',
  '\\u00e9',
  '\\u5b57',
  '\\uD83E\\uDD80',
  '\\ud83e',
  '\\udd80',
  '\\uD83E\\u0041',
  '\\uF8FF',
  '\\ufffe',
];
const NUMBERS = ['0', '-0', '1', '-1', '128000', '0.5', '-1.25e-7', '1E400', '2e+3', '9007199254740993', '0e0', '1.0', `${'9'.repeat(40)}`];
const KEYS = [
  'role',
  'content',
  'type',
  'text',
  'name',
  'parameters',
  '',
  ' ',
  '0',
  '17',
  'é',
  '\\u0041',
  'x\\u0079',
  '\\ud800',
  '__proto_',
  'constructor',
];
const FIELDS = ['model', 'messages', 'stream', 'max_tokens', 'n', 'tools', 'metadata', 'user', 'fallbacks'];

/** JSON texts as clients may send them, and odder ones: escapes, white space, nesting. */
export class RandomJson {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  /** A body: usually an object. */
  body(): string {
    const kind = this.random();
    const value = kind < 0.85 ? this.object(FIELDS, 4) : this.value(3);
    return `${kind > 0.97 ? '\ufeff' : ''}${this.space()}${value}${this.space()}`;
  }

  /** The raw contents of a string. */
  text(): string {
    const length = this.random() < 0.3 ? this.below(400) : this.below(6);
    const escaped = this.random() * 0.4;
    let text = this.random() < 0.05 ? this.one(['\uf8ff', '\\uf8ff', '\\uF8FF0']) : '';
    for (let i = 0; i < length; i++) text += this.one(this.random() < escaped ? ESCAPES : PLAIN);
    // Around the length from which a text is long.
    if (this.random() < 0.05) text = 'x'.repeat(254 + this.below(5));
    return text;
  }

  private value(depth: number): string {
    const kind = this.random();
    if (kind < 0.35) return `"${this.text()}"`;
    if (kind < 0.5) return this.one(NUMBERS);
    if (kind < 0.6 || depth === 0) return this.one(['true', 'false', 'null']);
    return kind < 0.8 ? this.object(KEYS, depth) : this.array(depth);
  }

  private object(names: readonly string[], depth: number): string {
    const keys = new Map<string, string>();
    for (let left = this.below(8); left > 0; left--) {
      const key = this.random() < 0.9 ? this.one(names) : this.text();
      keys.set(JSON.parse(`"${key}"`) as string, key);
    }
    const pairs = [...keys.values()].map((key) => `${this.space()}"${key}"${this.space()}:${this.space()}${this.value(depth - 1)}`);
    return `{${pairs.join(`${this.space()},`)}${this.space()}}`;
  }

  private array(depth: number): string {
    const items = Array.from({ length: this.below(6) }, () => `${this.space()}${this.value(depth - 1)}${this.space()}`);
    return `[${items.join(',')}]`;
  }

  private space(): string {
    return this.one(SPACES);
  }

  private one<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  private below(count: number): number {
    return Math.floor(this.random() * count);
  }
}
