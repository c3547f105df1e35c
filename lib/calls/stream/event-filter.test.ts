import fc from 'fast-check';
import { EventReader } from '../../providers/events/sse-reader.js';
import { EventFilter } from './event-filter.js';

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const text = event({ choices: [{ delta: { content: 'ü "usage": 🦀' } }], usage: null });
const filterNotes = event({ choices: [], prompt_filter_results: [] });
const both = event({ choices: [{ delta: {} }], usage: { total_tokens: 3 } });
const usage = event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } });
const done = 'data: [DONE]\n\n';

/** The bytes of `whole` in pieces that end anywhere. */
const pieces = (whole: string, cuts: readonly number[]): Buffer[] => {
  const bytes = Buffer.from(whole);
  const ends = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
};
/** The pieces as they arrive: so many at once. */
const arriving = (whole: string, cuts: readonly number[], atOnce: number): Buffer[][] => {
  const all = pieces(whole, cuts);
  return Array.from({ length: Math.ceil(all.length / atOnce) }, (_, i) => all.slice(i * atOnce, (i + 1) * atOnce));
};
const someAtOnce = fc.integer({ min: 1, max: 4 });
const anyCuts = fc.array(fc.nat(10_000), { maxLength: 20 });

describe('EventFilter', () => {
  it('removes the event that has only the usage, wherever chunks cut it', () => {
    fc.assert(
      fc.property(anyCuts, someAtOnce, (cuts, atOnce) => {
        const filter = new EventFilter(true);
        const passed = arriving(filterNotes + text + both + usage + done, cuts, atOnce).map((chunks) => filter.pass(chunks));
        expect(Buffer.concat([...passed, filter.rest()]).toString()).toBe(filterNotes + text + both + done);
      }),
    );
  });

  it('removes it from lines that end with CR and LF, without delaying events', () => {
    const crlf = (events: string): string => events.replaceAll('\n', '\r\n');
    fc.assert(
      fc.property(anyCuts, someAtOnce, (cuts, atOnce) => {
        const filter = new EventFilter(true);
        const passed = arriving(crlf(text + both + usage + done), cuts, atOnce).map((chunks) => filter.pass(chunks));
        expect(Buffer.concat(passed).toString()).toBe(crlf(text + both + done));
      }),
    );
  });

  it('keeps the usage for clients that asked for it, and passes only whole events', () => {
    const filter = new EventFilter(false);
    expect(filter.pass([Buffer.from(`${text}${usage}data: {"id"`)]).toString()).toBe(text + usage);
    expect(filter.pass([Buffer.from(':1}\n\n')]).toString()).toBe('data: {"id":1}\n\n');
  });

  it('returns an unfinished event at the end', () => {
    const filter = new EventFilter(true);
    expect(filter.pass([Buffer.from(`${text}data: {"usage"`)]).toString()).toBe(text);
    expect(filter.rest().toString()).toBe('data: {"usage"');
    expect(filter.rest()).toHaveLength(0);
  });

  it('passes events that it cannot parse', () => {
    const broken = 'data: {"choices": [],"usage":{]\n\n: "usage"\n\nevent: ping\ndata: {"usage":null,"choices":[]}\n\n';
    expect(new EventFilter(true).pass([Buffer.from(broken)]).toString()).toBe(broken);
  });

  it('removes a usage event with further fields', () => {
    const others = [`\uFEFF${usage}`, `id: 7\nevent: message\n${usage}`, `: note\n${usage}`, usage.replace(',"usage"', '\ndata: ,"usage"')];
    for (const event of others) expect(new EventFilter(true).pass([Buffer.from(event + text)]).toString()).toBe(text);
  });
});

describe('EventReader', () => {
  it('reads the data of an error event as an error', () => {
    const events = 'event: error\ndata: {"message":"no"}\n\nevent:error\r\ndata: {"error":"no"}\r\n\r\nevent: error\ndata: gone\n\n';
    expect(new EventReader().read(Buffer.from(events))).toEqual(['{"error":{"message":"no"}}', '{"error":"no"}', '{"error":"gone"}']);
  });

  it('reads events, wherever chunks cut them', () => {
    const whole = `\uFEFFdata: first\n\n: comment\n\ndata:\n\ndata: \r\n\r\nevent: x\r\ndata: {"a":"ü🦀"}\r\n\r\ndata:1\ndata: 2\n\n${text}${done}data: cut`;
    fc.assert(
      fc.property(anyCuts, (cuts) => {
        const reader = new EventReader();
        expect(pieces(whole, cuts).flatMap((piece) => reader.read(piece))).toEqual([
          'first',
          '{"a":"ü🦀"}',
          '1\n2',
          text.slice(6, -2),
          '[DONE]',
        ]);
      }),
    );
  });
});
