import { randomBody } from './grammar.js';

/** A body that is to stall a gateway, by the bytes that it may have. */
export interface StallingBody {
  readonly name: string;
  /** The longest waits of the release before, as they were reported: by MiB. */
  readonly before?: string;
  readonly make: (bytes: number) => string;
  /** Default: chat. */
  readonly path?: string;
  /** Default: JSON. */
  readonly contentType?: string;
}

const SEED = /^seed-(\d{1,10})$/;

/** Whether a name is that of a body made by a seed. */
export function isSeed(name: string): boolean {
  return SEED.test(name);
}

/** A body by its name: one of `BODIES`, or `seed-123` for the one that this seed makes. */
export function bodyNamed(name: string): StallingBody {
  const [, digits] = SEED.exec(name) ?? [];
  if (digits === undefined) return BODIES.find((each) => each.name === name) as StallingBody;
  const seed = Number(digits);
  const { path, contentType } = randomBody(seed, 1);
  return { name, path, contentType, make: (bytes) => randomBody(seed, bytes).body };
}

const MODEL = '"model":"gpt-4o-mini"';
const MESSAGES = '"messages":[{"role":"user","content":"hi"}]';

const repeated = (piece: string, bytes: number): string => piece.repeat(Math.max(1, Math.floor(bytes / piece.length)));
/** `["…","…"]` of entries that are made by number. */
const entries = (bytes: number, make: (index: number) => string): string => {
  const made: string[] = [];
  for (let size = 0, index = 0; size < bytes; index++) {
    const entry = make(index);
    made.push(entry);
    size += entry.length + 1;
  }
  return made.join(',');
};
const field = (name: string, value: string): string => `{${MODEL},${MESSAGES},"${name}":${value}}`;
const content = (value: string): string => `{${MODEL},"messages":[{"role":"user","content":${value}}]}`;
const text = (piece: string) => (bytes: number) => content(`"${repeated(piece, bytes)}"`);
const list = (name: string, make: (index: number) => string) => (bytes: number) => field(name, `[${entries(bytes, make)}]`);
const object = (name: string) => (bytes: number) => field(name, `{${entries(bytes, (index) => `"k${index}":1`)}}`);
const name = (index: number): string => `"n${index}"`;

export const BODIES: readonly StallingBody[] = [
  { name: 'fallbacks of unknown names', before: '0.8 MiB 900-2000, 7 MiB 9700, 31 MiB 37000', make: list('fallbacks', name) },
  { name: 'runs of dashes', before: '1 MiB 600-1000, 8 MiB 5000, 32 MiB 21000', make: text('-') },
  { name: 'runs of tabs', before: 'as for dashes', make: text('\\t') },
  { name: 'dashes in tools, with three prompts', before: 'three times the waits for dashes', make: threePrompts },
  { name: 'unknown part next to runs of 511', before: '1 MiB 600, 8 MiB 4300, 32 MiB 18000', make: unknownPart },
  { name: 'schema properties', before: '30 MiB 3900-6900', make: schema },
  {
    name: 'keys at the top',
    before: '30 MiB 3900-6900',
    make: (bytes) => `{${MODEL},${MESSAGES},${entries(bytes, (index) => `"k${index}":1`)}}`,
  },
  {
    name: 'keys in a message',
    before: '30 MiB 3900-6900',
    make: (bytes) => `{${MODEL},"messages":[{"role":"user",${entries(bytes, (index) => `"k${index}":1`)}}]}`,
  },
  { name: 'empty messages', before: '30 MiB 3900-6900', make: (bytes) => `{${MODEL},"messages":[${entries(bytes, () => '{}')}]}` },
  { name: 'nested arrays', before: '30 MiB 3900-6900', make: (bytes) => field('x', `${'['.repeat(bytes / 2)}${']'.repeat(bytes / 2)}`) },
  { name: 'English', make: text('The quick brown fox jumps over the lazy dog. ') },
  { name: 'Han', make: (bytes) => text('東京都の天気')(bytes / 3) },
  { name: 'base64', make: text('QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo') },
  { name: 'unicode escapes', make: text('\\u0000') },
  { name: 'quotes', make: text('\\"') },
  { name: 'small content parts', make: (bytes) => content(`[${entries(bytes, () => '{"type":"text","text":"a"}')}]`) },
  { name: 'short messages', make: (bytes) => `{${MODEL},"messages":[${entries(bytes, () => '{"role":"user","content":"a"}')}]}` },
  {
    name: 'tool calls',
    make: (bytes) => `{${MODEL},"messages":[{"role":"assistant","tool_calls":[${entries(bytes, () => '{"function":{"arguments":""}}')}]}]}`,
  },
  { name: 'tools', make: list('tools', (index) => `{"type":"function","function":{"name":"f${index}"}}`) },
  {
    name: 'one image',
    make: (bytes) => content(`[{"type":"image_url","image_url":{"url":"data:image/png;base64,${repeated('AAAA', bytes)}"}}]`),
  },
  {
    name: 'images',
    make: (bytes) =>
      content(`[${entries(bytes, () => `{"type":"image_url","image_url":{"url":"data:image/png;base64,${'A'.repeat(4096)}"}}`)}]`),
  },
  { name: 'long keys', make: (bytes) => field('x', `{${entries(bytes, (index) => `"${index}${'k'.repeat(4096)}":1`)}}`) },
  { name: 'one key many times', make: (bytes) => field('x', `{${entries(bytes, () => '"k":1')}}`) },
  { name: 'one large number', make: (bytes) => field('x', repeated('9', bytes)) },
  { name: 'token ids', make: (bytes) => `{${MODEL},"input":[${entries(bytes, (index) => String(index % 100_000))}]}` },
  { name: 'a long name of a model', make: (bytes) => `{"model":"${repeated('m', bytes)}",${MESSAGES}}` },
  { name: 'metadata', make: object('metadata') },
  { name: 'tags', make: list('tags', name) },
  { name: 'stop', make: list('stop', name) },
  { name: 'logit_bias', make: object('logit_bias') },
  {
    name: 'response_format',
    make: (bytes) =>
      field(
        'response_format',
        `{"type":"json_schema","json_schema":{"name":"a","schema":{"properties":{${entries(bytes, (index) => `"k${index}":{"type":"string"}`)}}}}}`,
      ),
  },
  { name: 'white space', make: (bytes) => `{${MODEL},${MESSAGES}${repeated(' ', bytes)}}` },
];

function threePrompts(bytes: number): string {
  const tools = `"tools":[{"type":"function","function":{"name":"f","description":"${repeated('-', bytes)}"}}]`;
  return `{${MODEL},${MESSAGES},"input":"hi","prompt":"hi",${tools}}`;
}

function unknownPart(bytes: number): string {
  return content(`["${repeated(`${'A'.repeat(511)} `, bytes)}",{"type":"x"}]`);
}

function schema(bytes: number): string {
  const properties = entries(bytes, (index) => `"k${index}":{}`);
  return field('tools', `[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{${properties}}}}}]`);
}
