import { jsonBodyEngines, readerOf } from '../../../test/support/json-body-engines.js';
import { DEFAULT_JSON_BOUNDS } from '../../json-body/json-bounds.js';
import { DEFAULT_BODY_BOUNDS } from './body-bounds.js';
import { jsonBodyOf, releaseBody } from './body-object.js';
import type { JsonBody } from './json-body.js';

type Fields = Record<string, unknown>;

const LONG = `Grüße "there"\n${'x'.repeat(5000)}`;
const body = () => ({
  model: 'gpt-4o',
  stream: true,
  messages: [
    { role: 'system', content: 'short' },
    { role: 'user', content: LONG },
  ],
  metadata: { tags: ['a'], note: 'b' },
  tools: [{ type: 'function', function: { name: 'f', description: LONG } }],
  user: 'u'.repeat(300),
});

describe.each(jsonBodyEngines().map((engine) => [engine.engine, readerOf(engine)] as const))('the %s reader', (engine, reader) => {
  const read = async (json: string): Promise<Fields> => (await reader.read(Buffer.from(json), DEFAULT_JSON_BOUNDS)) as Fields;
  const bytesOf = async (object: object): Promise<string> => ((await jsonBodyOf(object)) as JsonBody).bytes.toString();
  const spaced = JSON.stringify(body(), undefined, 2);

  it('shows an object like any other', async () => {
    const object = await read(spaced);
    expect(Object.keys(object)).toEqual(Object.keys(body()));
    expect(object).toEqual(body());
    expect({ ...(await read(spaced)) }).toEqual(body());
    expect(JSON.stringify(await read(spaced))).toBe(JSON.stringify(body()));
    const { messages, ...rest } = await read(spaced);
    expect([messages, rest]).toEqual([body().messages, Object.fromEntries(Object.entries(body()).filter(([name]) => name !== 'messages'))]);
    const frozen = Object.freeze(await read(spaced));
    expect(frozen.messages).toBe(frozen.messages);
    expect(() => Object.assign(frozen, { messages: [] })).toThrow(TypeError);
  });

  it('counts the entries of lists, and none in their texts, however long', async () => {
    const text = `${',[],{},'.repeat(1500)}"\\`;
    const readWith = (contents: readonly string[], most: number): Promise<unknown> => {
      const object = { messages: contents.map((content) => ({ role: 'user', content })), stop: [text, '],', text] };
      const bounds = { ...DEFAULT_BODY_BOUNDS, messages: most };
      return Promise.resolve(reader.read(Buffer.from(JSON.stringify(object)), DEFAULT_JSON_BOUNDS, false, bounds));
    };
    const contents = [text, ',short,', text, '', text];
    await expect(readWith(contents, 5)).resolves.toMatchObject({ messages: { length: 5 } });
    await expect(readWith(contents, 4)).rejects.toThrow('must have at most 4 entries (llmClient.bounds.messages)');
    await expect(readWith(['a', 'b', text.repeat(20), 'c'], 3)).rejects.toThrow('must have at most 3 entries');
  });

  it('keeps the bytes that came where nothing has changed, read or not', async () => {
    const object = await read(spaced);
    expect(await bytesOf(object)).toBe(spaced);
    expect(object.messages).toEqual(body().messages);
    object.user = 'u'.repeat(300);
    object.messages = structuredClone(object.messages);
    expect(jsonBodyOf(object)).not.toBeInstanceOf(Promise);
    expect(await bytesOf(object)).toBe(spaced);
  });

  it.each<[string, (object: ReturnType<typeof body> & Fields) => void]>([
    ['sets a field', (object) => (object.model = 'other')],
    ['sets a long field that it has not read', (object) => (object.messages = [])],
    ['deletes a long field', (object) => delete (object as Fields).tools],
    ['deletes a short field', (object) => delete (object as Fields).stream],
    ['adds a field', (object) => (object.seed = 7)],
    ['edits a long text', (object) => (object.messages[1].content += '!')],
    ['edits a short text', (object) => (object.messages[0].content = 'other')],
    ['adds a message in the middle', (object) => object.messages.splice(1, 0, { role: 'user', content: '\uf8ff0' })],
    ['edits a short object', (object) => object.metadata.tags.push('b')],
    ['sets a date', (object) => ((object as Fields).metadata = new Date(0))],
    ['sets nothing', (object) => ((object as Fields).metadata = undefined)],
    ['adds a key', (object) => ((object.messages[0] as Fields).name = 'n')],
  ])('writes anew what an app has changed: it %s', async (__, change) => {
    const object = await read(spaced);
    const expected = body();
    change(object as never);
    change(expected);
    const json = (await jsonBodyOf(object)) as JsonBody;
    expect(JSON.parse(json.bytes.toString())).toEqual(JSON.parse(JSON.stringify(expected)));
    // The same bytes until it changes again.
    expect(jsonBodyOf(object)).toBe(json);
    object.messages = [{ role: 'user', content: 'last' }];
    expect(JSON.parse(await bytesOf(object))).toMatchObject({ messages: [{ role: 'user', content: 'last' }] });
  });

  it('keeps the bytes of the fields that an app has not changed', async () => {
    const object = await read(spaced.replace('"gpt-4o"', '"gpt-4\\u006f"').replace('Grüße', 'Gr\\u00fc\\u00dfe'));
    object.seed = 1;
    const written = await bytesOf(object);
    expect(written).toContain('Gr\\u00fc\\u00dfe');
    expect(JSON.parse(written)).toEqual({ ...body(), seed: 1 });
  });

  it('forgets what an app has made unwritable or too deep', async () => {
    const cyclic = await read(spaced);
    cyclic.messages = [cyclic];
    expect(await jsonBodyOf(cyclic)).toBeUndefined();
    expect(jsonBodyOf(cyclic)).toBeUndefined();
    const deep = await read(spaced);
    deep.messages = JSON.parse(`${'['.repeat(300)}${']'.repeat(300)}`);
    expect(await jsonBodyOf(deep)).toBeUndefined();
    expect(jsonBodyOf(deep)).toBeUndefined();
  });

  it('gives the bytes back, and keeps the fields that were read', async () => {
    const object = await read(spaced);
    expect(object.tools).toEqual(body().tools);
    releaseBody(object);
    expect(jsonBodyOf(object)).toBeUndefined();
    expect([object.tools, object.messages, object.model]).toEqual([body().tools, undefined, 'gpt-4o']);
  });

  it.each([
    ['{"a":1,"\\u0061":2}', 'key "a" twice'],
    [`{"a":[{"__proto__":1}],"b":"${LONG.slice(20)}"}`, '__proto__'],
    ['{"a":', 'not valid JSON'],
  ])('refuses %s', async (json, message) => {
    await expect((async () => read(json))()).rejects.toMatchObject({ message: expect.stringContaining(message) as string, status: 400 });
  });

  it('rejects a long value that is not an object, without parsing it', () => {
    const list = Buffer.from(`[${'1,'.repeat(5000)}1]`);
    expect(() => reader.read(list, DEFAULT_JSON_BOUNDS)).toThrow('The body must be a JSON object.');
  });

  it('decodes invalid UTF-8 as Node does, and skips a byte order mark', async () => {
    const bytes = Buffer.concat([Buffer.from(`\ufeff{"a":"${'x'.repeat(5000)}`), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(await reader.read(bytes, DEFAULT_JSON_BOUNDS)).toEqual({ a: `${'x'.repeat(5000)}\ufffd` });
    expect(await reader.read(Buffer.from('\ufeff[1]'), DEFAULT_JSON_BOUNDS)).toEqual([1]);
  });

  it('takes them in steps that leave other requests their time, wherever they cut a character', async () => {
    const pieces = ['é', '€', '🦀', 'a']
      .map((text) => Buffer.from(text))
      .flatMap((bytes) => [bytes, bytes.subarray(1), bytes.subarray(0, -1)]);
    let seed = 1;
    const next = (): number => (seed = (seed * 48_271) % 0x7fffffff);
    const content = Buffer.concat(Array.from({ length: 200_000 }, () => pieces[next() % pieces.length]));
    const bytes = Buffer.concat([Buffer.from('{"a":"'), content, Buffer.from('"}')]);
    const toString = jest.spyOn(Buffer.prototype, 'toString');
    const object = await reader.read(bytes, DEFAULT_JSON_BOUNDS);
    const decoded = toString.mock.calls.map(([, from, to]) => Number(to ?? bytes.length) - Number(from ?? 0));
    toString.mockRestore();
    // The TypeScript engine calls JSON.parse, which reads a body at once.
    if (engine === 'native') expect(Math.max(...decoded)).toBeLessThan(bytes.length / 2);
    expect(object).toEqual({ a: content.toString() });
  });
});
