import { eventsCutAt } from '../../../test/support/stream-events.js';
import { array, assert, constantFrom, integer, oneof, property, record, string, tuple, uniqueArray } from 'fast-check';
import { KeptItems } from '../../providers/openai/responses/kept-items.js';
import { BridgedResponse } from './responses.js';
import { usuallyOrLong } from '../../../test/support/long.js';

type Json = Readonly<Record<string, unknown>>;
type ResponseEvent = Json & { readonly type: string; readonly output_index: number; readonly item_id: string; readonly delta: string };

const RUNS = { numRuns: usuallyOrLong(60, 200) };
const text = string({ minLength: 1, maxLength: 8, unit: 'grapheme' });

const bridged = (): BridgedResponse => new BridgedResponse({ model: 'm' }, new KeptItems());
const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const chunkOf = (delta: object, finish: string | null = null): string =>
  event({ model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] });
const eventsIn = (bytes: Buffer): ResponseEvent[] =>
  bytes
    .toString()
    .split('\n\n')
    .filter((each) => each !== '')
    .map((each) => JSON.parse(each.slice(each.indexOf('\ndata: ') + 7)) as ResponseEvent);
/** Ids and times differ from answer to answer. */
const alike = (response: unknown): unknown => {
  const ids = JSON.stringify(response).replace(/(resp|msg|rs|fc)_[0-9a-f]{32}/g, '$1');
  return JSON.parse(ids.replace(/"created_at":\d+/g, '"created_at":0'));
};

interface Answer {
  readonly thoughts: readonly string[];
  readonly texts: readonly string[];
  readonly refusals: readonly string[];
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: readonly string[] }[];
  readonly finish: string;
}

const answers = record<Answer>({
  thoughts: array(text, { maxLength: 3 }),
  texts: array(text, { maxLength: 4 }),
  refusals: array(text, { maxLength: 2 }),
  calls: uniqueArray(record({ id: text, name: text, input: array(text, { maxLength: 3 }) }), { maxLength: 3, selector: ({ id }) => id }),
  finish: constantFrom('stop', 'length', 'tool_calls', 'content_filter'),
});

const usage = { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11, completion_tokens_details: { reasoning_tokens: 2 } };

function wholeOf({ thoughts, texts, refusals, calls, finish }: Answer): Buffer {
  const message = {
    role: 'assistant',
    content: texts.join(''),
    refusal: refusals.join(''),
    reasoning_content: thoughts.join(''),
    tool_calls: calls.map(({ id, name, input }) => ({ id, type: 'function', function: { name, arguments: input.join('') } })),
  };
  return Buffer.from(JSON.stringify({ model: 'm', choices: [{ message, finish_reason: finish }], usage }));
}

function streamOf({ thoughts, texts, refusals, calls, finish }: Answer): Buffer {
  const chunks = [
    ...thoughts.map((thought) => chunkOf({ reasoning_content: thought })),
    ...texts.map((content) => chunkOf({ content })),
    ...refusals.map((refusal) => chunkOf({ refusal })),
    ...calls.flatMap(({ id, name, input }, index) => [
      chunkOf({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] }),
      ...input.map((part) => chunkOf({ tool_calls: [{ index, function: { arguments: part } }] })),
    ]),
  ];
  return Buffer.from([...chunks, chunkOf({}, finish), event({ choices: [], usage }), 'data: [DONE]\n\n'].join(''));
}

function read(stream: Buffer, cuts: readonly number[]): Buffer {
  const response = bridged();
  const parts = eventsCutAt(stream, cuts).map((events) => response.events(events));
  return Buffer.from(parts.join('') + response.end());
}

/** Checks the order of the events. Returns the items that they end with. */
function readInOrder(events: readonly ResponseEvent[]): readonly Json[] {
  const items: Json[] = [];
  const open = new Set<number>();
  const texts = new Map<number, string>();
  events.forEach((each, number) => {
    expect(each.sequence_number).toBe(number);
    const { type, output_index: index, delta } = each;
    if (number < 2) return expect(type).toBe(number === 0 ? 'response.created' : 'response.in_progress');
    if (number === events.length - 1) return expect(type).toMatch(/^response\.(completed|incomplete)$/);
    if (type === 'response.output_item.added') {
      expect(index).toBe(items.length);
      items.push(each.item as Json);
      open.add(index);
      return;
    }
    expect(open.has(index)).toBe(true);
    if (type === 'response.output_item.done') {
      open.delete(index);
      expect((each.item as Json).id).toBe(items[index].id);
      items[index] = each.item as Json;
      return;
    }
    expect(each.item_id).toBe(items[index].id);
    if (type.endsWith('.delta')) texts.set(index, (texts.get(index) ?? '') + delta);
    const whole = each.text ?? each.refusal ?? each.arguments;
    if (/(text|refusal|arguments)\.done$/.test(type)) {
      expect(whole).toBe(texts.get(index) ?? '');
      texts.delete(index);
    }
  });
  expect(open.size).toBe(0);
  return items;
}

describe('a bridged stream of Responses', () => {
  it('ends with the response that the whole answer would be', () => {
    assert(
      property(answers, (answer) => {
        const whole = JSON.parse(bridged().whole(wholeOf(answer)).toString()) as Json;
        const events = eventsIn(read(streamOf(answer), []));
        expect(alike(events.at(-1)?.response)).toEqual(alike(whole));
        expect(alike({ output: readInOrder(events) })).toEqual(alike({ output: whole.output }));
      }),
      RUNS,
    );
  });

  it('is the same wherever chunks cut the bytes', () => {
    assert(
      property(answers, array(integer({ min: 0, max: 100_000 }), { maxLength: 20 }), (answer, cuts) => {
        const stream = streamOf(answer);
        expect(alike(eventsIn(read(stream, cuts)))).toEqual(alike(eventsIn(read(stream, []))));
      }),
      RUNS,
    );
  });

  it('keeps the order of events and loses nothing, whatever the order of deltas', () => {
    const deltas = oneof(
      record({ content: text }),
      record({ refusal: text }),
      record({ reasoning_content: text }),
      tuple(integer({ min: 0, max: 3 }), constantFrom('', '{', '}', '{}', '"a":1', ' ')).map(([index, input]) => ({
        tool_calls: [{ index, id: `c${index}`, function: { name: 'f', arguments: input } }],
      })),
    );
    assert(
      property(array(deltas, { maxLength: 12 }), constantFrom('stop', 'length', 'tool_calls'), (all, finish) => {
        const stream = Buffer.from([...all.map((delta) => chunkOf(delta)), chunkOf({}, finish)].join(''));
        const events = eventsIn(read(stream, []));
        expect(readInOrder(events)).toEqual((events.at(-1)?.response as Json).output);
        const said = all.flatMap((delta) => ('content' in delta ? [delta.content] : []));
        const shown = events.flatMap(({ type, delta }) => (type === 'response.output_text.delta' ? [delta] : []));
        expect(shown).toEqual(said);
      }),
      RUNS,
    );
  });
});
