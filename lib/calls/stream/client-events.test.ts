import fc from 'fast-check';
import { eventsCutAt, eventsIn, readEvents } from '../../../test/support/stream-events.js';
import { StreamEvents } from '../../providers/events/event-reader.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import type { StreamSource } from './stream-origin.js';
import { ClientEvents, withCost, withoutUsage } from './client-events.js';

const event = (value: unknown, name?: string): string =>
  `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(value)}\n\n`;
const text = event({ choices: [{ delta: { content: 'ü "usage": 🦀' } }], usage: null });
const filterNotes = event({ choices: [], prompt_filter_results: [] });
const both = event({ choices: [{ delta: {} }], usage: { total_tokens: 3 } });
const usage = event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } });
const done = 'data: [DONE]\n\n';

const someAtOnce = fc.integer({ min: 1, max: 4 });
const anyCuts = fc.array(fc.nat(10_000), { maxLength: 20 });
/** What is left of events that arrive cut at some places, so many batches at once. */
function passed(whole: string, cuts: readonly number[], atOnce: number): string {
  const arrived = eventsCutAt(Buffer.from(whole), cuts);
  const batches = Array.from({ length: Math.ceil(arrived.length / atOnce) }, (_, at) => arrived.slice(at * atOnce, (at + 1) * atOnce));
  return batches.map((batch) => withoutUsage(StreamEvents.joined(batch)).bytes.toString()).join('');
}

describe('withoutUsage', () => {
  it('removes the event that has only the usage, wherever chunks cut it', () => {
    fc.assert(
      fc.property(anyCuts, someAtOnce, (cuts, atOnce) => {
        expect(passed(filterNotes + text + both + usage + done, cuts, atOnce)).toBe(filterNotes + text + both + done);
      }),
    );
  });

  it('removes it from lines that end with CR and LF', () => {
    const crlf = (events: string): string => events.replaceAll('\n', '\r\n');
    fc.assert(
      fc.property(anyCuts, someAtOnce, (cuts, atOnce) => {
        expect(passed(crlf(text + both + usage + done), cuts, atOnce)).toBe(crlf(text + both + done));
      }),
    );
  });

  it('passes events without it as the same bytes', () => {
    const events = eventsIn(text + filterNotes + done);
    expect(withoutUsage(events)).toBe(events);
  });

  it('passes an unfinished event', () => {
    expect(passed(`${text}data: {"usage"`, [], 1)).toBe(`${text}data: {"usage"`);
  });

  it('passes events that it cannot parse', () => {
    const broken = 'data: {"choices": [],"usage":{]\n\n: "usage"\n\nevent: ping\ndata: {"usage":null,"choices":[]}\n\n';
    expect(passed(broken, [], 1)).toBe(broken);
  });

  it('removes a usage event with further fields', () => {
    const others = [`\uFEFF${usage}`, `id: 7\nevent: message\n${usage}`, `: note\n${usage}`, usage.replace(',"usage"', '\ndata: ,"usage"')];
    for (const event of others) {
      const [events] = readEvents([Buffer.from(event + text)]);
      expect(withoutUsage(events).bytes.toString()).toBe(text);
    }
  });
});

const COST: AnswerCost = { nanoUsd: 12_345, parts: { input: 12_345 }, source: 'deployment' };
const priced = (events: string, ofAnswer: AnswerCost | null = COST): string =>
  withCost(eventsIn(events), () => ofAnswer ?? undefined).bytes.toString();
const counted = { prompt_tokens: 1, completion_tokens: 2 };
const cost = 0.000012345;

describe('withCost', () => {
  it.each([
    ['chat', event({ choices: [], usage: counted }), event({ choices: [], usage: { ...counted, cost } })],
    [
      'a chunk with content',
      event({ choices: [{ delta: {} }], usage: counted }),
      event({ choices: [{ delta: {} }], usage: { ...counted, cost } }),
    ],
    [
      'Messages',
      event({ type: 'message_delta', delta: {}, usage: { output_tokens: 2 } }, 'message_delta'),
      event({ type: 'message_delta', delta: {}, usage: { output_tokens: 2, cost } }, 'message_delta'),
    ],
    [
      'Responses',
      event({ type: 'response.completed', response: { id: 'r', usage: counted } }, 'response.completed'),
      event({ type: 'response.completed', response: { id: 'r', usage: { ...counted, cost } } }, 'response.completed'),
    ],
    ['a provider that states one itself', event({ choices: [], usage: { cost: 9 } }), event({ choices: [], usage: { cost } })],
  ])('adds the cost to the usage of %s', (_, before, after) => {
    expect(priced(before)).toBe(after);
    expect(priced(`: ping\n\n${before}data: [DONE]\n\n`)).toBe(`: ping\n\n${after}data: [DONE]\n\n`);
    expect(priced(before.replaceAll('\n\n', '\r\n\r\n'))).toBe(after.replaceAll('\n\n', '\r\n\r\n'));
    expect(priced(before, null)).toBe(before);
  });

  it.each([
    event({ choices: [{ delta: { content: '"usage":{"a":1}' } }] }),
    event({ choices: [], usage: null }),
    event({ type: 'message_start', message: { usage: counted } }, 'message_start'),
    event({ type: 'response.created', response: { usage: null } }),
    event({ error: { message: 'no "usage"' } }),
    'data: {"usage":{\n\n',
    'data: {"choices":[],"usage":[1]}\n\n',
    '',
  ])('leaves %j as it is', (events) => expect(priced(events)).toBe(events));
});

describe('ClientEvents', () => {
  const exchange = { errorEvent: () => undefined };
  const bridged = {
    events: () => 'data: bridged\n\n',
    end: () => 'data: end\n\n',
    error: (_: object, status: number) => `data: error ${status}\n\n`,
  };
  const eventsOf = (source: object): ClientEvents =>
    new ClientEvents({ exchange, hidesUsage: false, writesCost: false, ...source } as unknown as StreamSource, undefined);
  const last = (source: object, error?: Error): string => eventsOf(source).last(error).toString();

  it('end as their API ends', () => {
    expect([last({}), last({ bridged })]).toEqual(['', 'data: end\n\n']);
  });

  it('end with an error in the format of their API', () => {
    const error = new Error('gone');
    expect(last({}, error)).toMatch(/^data: \{"error":/);
    expect(last({ exchange: { errorEvent: () => 'event: error\n\n' } }, error)).toBe('event: error\n\n');
    expect(last({ bridged }, error)).toBe('data: error 500\n\n');
  });

  it('pass through a bridge', () => {
    const arrived = eventsIn(text);
    expect(eventsOf({}).of(arrived)).toBe(arrived.bytes);
    expect(eventsOf({ bridged }).of(arrived).toString()).toBe('data: bridged\n\n');
    expect(
      eventsOf({ hidesUsage: true })
        .of(eventsIn(text + usage))
        .toString(),
    ).toBe(text);
  });

  it('ping if their bridge does', () => {
    expect([eventsOf({}).ping, eventsOf({ bridged }).ping]).toEqual([undefined, undefined]);
    expect(
      eventsOf({ bridged: { ...bridged, ping: () => 'ping' } })
        .ping?.()
        .toString(),
    ).toBe('ping');
  });
});
