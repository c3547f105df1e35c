/** A random body of one of the APIs. The same seed and size make the same one. */
export interface RandomBody {
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
}

/** What fills a body: a piece of JSON with about so many bytes. */
type Filler = (dice: Dice, bytes: number) => string;

/** Random numbers from a seed (mulberry32). */
class Dice {
  constructor(private state: number) {}

  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

const PIECES = [
  '-',
  '\\t',
  '\\n',
  ' ',
  'a',
  'word ',
  '東',
  '🙂',
  '\\u0000',
  '\\ud83d',
  '\\"',
  '\\\\',
  '0',
  'A1b2',
  "'s ",
  '\u0301',
  'é',
  '<|im_end|>',
  '{}',
  '[1]',
];
const text: Filler = (dice, bytes) => {
  const pieces = Array.from({ length: 1 + dice.below(3) }, () => dice.of(PIECES).repeat(1 + dice.below(dice.of([1, 8, 600]))));
  const piece = pieces.join('');
  return `"${piece.repeat(Math.max(1, Math.floor(bytes / Buffer.byteLength(piece))))}"`;
};

function listOf(make: (dice: Dice, bytes: number) => string): Filler {
  return (dice, bytes) => {
    const each = dice.of([0, 8, 64, 1024, 65_536]);
    const entries: string[] = [];
    for (let size = 0; size < bytes && entries.length < 2_000_000; size += entries[entries.length - 1].length + 1)
      entries.push(make(dice, each));
    return `[${entries.join(',')}]`;
  };
}

const number: Filler = (dice) => dice.of(['0', '-0', '1e300', '12345678901234567890', '0.1', '7'.repeat(1 + dice.below(40))]);
const keys: Filler = (dice, bytes) => {
  const value = dice.of(['1', '{}', '[]', '{"type":"string"}', '""']);
  const width = dice.of([0, 8, 200]);
  const entries: string[] = [];
  for (let size = 0; size < bytes; size += entries[entries.length - 1].length + 1)
    entries.push(`"k${entries.length}${'k'.repeat(width)}":${value}`);
  return `{${entries.join(',')}}`;
};
const nested: Filler = (dice, bytes) => {
  const depth = Math.min(dice.of([10, 60, 500, 1e6]), Math.floor(bytes / 8));
  return `${'{"a":'.repeat(depth)}${text(dice, Math.max(1, bytes - 6 * depth))}${'}'.repeat(depth)}`;
};
const json: Filler = (dice, bytes) =>
  dice.of<Filler>([text, keys, nested, listOf(number), listOf(text), listOf(keys), listOf(() => '{}')])(dice, bytes);
/** JSON within a text, as the arguments of a tool. */
const quoted: Filler = (dice, bytes) => JSON.stringify(json(dice, Math.floor(bytes / 2)));

const HEADS = [
  'ffd8ff',
  'ffd8ffe00010',
  '89504e470d0a1a0a0000000d49484452',
  '47494638396140',
  '52494646000000005745425056503858',
  '255044462d312e34',
];
const FILLS = ['ff', 'ffd0', 'ffe00002', '00', 'ffd8ffe1ffff', '0a2f506167652f', '3c3c3e3e'];
const file: Filler = (dice, bytes) => {
  const fill = dice.of(FILLS);
  const raw = Buffer.from(dice.of(HEADS) + fill.repeat(Math.max(1, Math.floor((bytes * 3) / 4 / (fill.length / 2)))), 'hex');
  return raw.toString('base64');
};

const part: Filler = (dice, bytes) =>
  dice.of<() => string>([
    () => `{"type":"text","text":${text(dice, bytes)}}`,
    () => `{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,${file(dice, bytes)}"}}`,
    () => `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"${file(dice, bytes)}"}}`,
    () => `{"type":"input_image","image_url":"data:image/webp;base64,${file(dice, bytes)}"}`,
    () => `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"${file(dice, bytes)}"}}`,
    () => `{"type":"input_audio","input_audio":{"format":"wav","data":"${file(dice, bytes)}"}}`,
    () => `{"type":"tool_use","id":"t","name":"f","input":${json(dice, bytes)}}`,
    () => `{"type":"tool_result","tool_use_id":"t","content":${text(dice, bytes)}}`,
  ])();
const message: Filler = (dice, bytes) =>
  dice.of<() => string>([
    () => `{"role":"user","content":${text(dice, bytes)}}`,
    () => `{"role":"user","content":${listOf(part)(dice, bytes)}}`,
    () =>
      `{"role":"assistant","tool_calls":${listOf((each, size) => `{"id":"c","type":"function","function":{"name":"f","arguments":${quoted(each, size)}}}`)(dice, bytes)}}`,
    () => `{"role":"user","content":"a","extra":${json(dice, bytes)}}`,
  ])();
const tool: Filler = (dice, bytes) =>
  dice.of<() => string>([
    () => `{"type":"function","function":{"name":"f","description":${text(dice, bytes)}}}`,
    () => `{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":${keys(dice, bytes)}}}}`,
    () => `{"type":"function","name":"f","parameters":${json(dice, bytes)}}`,
    () => `{"name":"f","input_schema":${json(dice, bytes)}}`,
  ])();
const fallbacks: Filler = (dice, bytes) =>
  dice.of<Filler>([listOf((_, size) => `"${'n'.repeat(1 + size)}"`), listOf((each, size) => `{"m":${listOf(text)(each, size)}}`), json])(
    dice,
    bytes,
  );

/** Fields that any API may get, and what fills them. */
const ANY: readonly (readonly [string, Filler])[] = [
  ['tools', listOf(tool)],
  ['fallbacks', fallbacks],
  ['context_window_fallbacks', fallbacks],
  ['metadata', keys],
  ['tags', listOf(text)],
  ['stop', listOf(text)],
  ['logit_bias', keys],
  ['response_format', (dice, bytes) => `{"type":"json_schema","json_schema":{"name":"a","schema":${json(dice, bytes)}}}`],
  ['text', (dice, bytes) => `{"format":{"type":"json_schema","name":"a","schema":${json(dice, bytes)}}}`],
  ['system', text],
  ['instructions', text],
  ['model_extra', json],
  ['models', listOf(text)],
];
const APIS: readonly { readonly path: string; readonly base: string; readonly own: readonly (readonly [string, Filler])[] }[] = [
  { path: '/v1/chat/completions', base: '"model":"gpt-4o-mini"', own: [['messages', listOf(message)]] },
  {
    path: '/v1/completions',
    base: '"model":"gpt-4o-mini"',
    own: [
      ['prompt', text],
      ['prompt', listOf(text)],
      ['prompt', listOf(number)],
    ],
  },
  {
    path: '/v1/responses',
    base: '"model":"gpt-4o-mini"',
    own: [
      ['input', text],
      ['input', listOf(message)],
    ],
  },
  { path: '/v1/messages', base: '"model":"gpt-4o-mini","max_tokens":9', own: [['messages', listOf(message)]] },
  {
    path: '/v1/embeddings',
    base: '"model":"gpt-4o-mini"',
    own: [
      ['input', text],
      ['input', listOf(text)],
      ['input', listOf(listOf(number))],
    ],
  },
];
const SMALL: Readonly<Record<string, string>> = { messages: '[{"role":"user","content":"hi"}]', prompt: '"hi"', input: '"hi"' };

export function randomBody(seed: number, bytes: number): RandomBody {
  const dice = new Dice(seed);
  if (dice.below(APIS.length + 1) === 0) return form(dice, bytes);
  const { path, base, own } = dice.of(APIS);
  const [name, filler] = dice.of(own);
  const others = [dice.of(ANY), dice.of(ANY)]
    .slice(0, dice.below(3))
    .filter(([field], at, all) => all.findIndex(([each]) => each === field) === at);
  const share = Math.floor(bytes / (others.length + 1));
  // The API's own field may be small: then the others have all of it.
  const isSmall = others.length > 0 && dice.below(2) === 0;
  const fields = others.map(([field, fill]) => `"${field}":${fill(dice, isSmall ? Math.floor(bytes / others.length) : share)}`);
  const body = `{${[base, `"${name}":${isSmall ? SMALL[name] : filler(dice, share)}`, ...fields].join(',')}}`;
  return { path, contentType: 'application/json', body };
}

/** A form with many parts, long names, or one large file. */
function form(dice: Dice, bytes: number): RandomBody {
  const boundary = dice.of(['x', '-'.repeat(60), 'a-a-a-a']);
  const parts: string[] = [];
  const each = dice.of([0, 64, 4096, bytes]);
  for (let size = 0; size < bytes; size += each + 80) {
    const field = dice.of(['file', 'model', 'prompt', 'n'.repeat(1 + dice.below(200))]);
    parts.push(
      `--${boundary}\r\ncontent-disposition: form-data; name="${field}"\r\n\r\n${dice
        .of(['-', '\r', '\r\n--', 'a', `\r\n--${boundary.slice(1)}`])
        .repeat(each)
        .slice(0, each)}\r\n`,
    );
  }
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n`;
  const path = '/v1/audio/transcriptions';
  return { path, contentType: `multipart/form-data; boundary=${boundary}`, body: `${head}${parts.join('')}--${boundary}--\r\n` };
}
