import fc from 'fast-check';
import { AnswerText, textIn } from '../../calls/stream/answer-text.js';
import { StreamTail } from '../../calls/stream/stream-tail.js';
import { OPENAI_READER } from '../openai/reader.js';
import { SecretMask } from '../secret-mask.js';
import { AnswerEvents } from './answer-events.js';
import { endLinesOf } from './event-reader.js';
import { RepeatedEvent } from './repeated-event.js';

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const delta = (content: string, more: object = {}): string =>
  event({ id: 'x', model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: null, ...more });
const taught = (...events: string[]): RepeatedEvent => {
  const repeated = new RepeatedEvent(textIn);
  for (const each of events) repeated.learn(Buffer.from(each));
  return repeated;
};
const known = (repeated: RepeatedEvent, events: string): string | undefined => repeated.textIn(Buffer.from(events));

describe('RepeatedEvent', () => {
  it('finds the text of events that differ from two others only in it', () => {
    const repeated = taught(delta('Hello'), delta(' world'));
    expect(known(repeated, delta(' grüße 🦀'))).toBe(' grüße 🦀');
    expect(known(repeated, delta('a') + delta('') + delta('b'))).toBe('ab');
  });

  it('finds it beside padding', () => {
    const repeated = taught(delta('Hel', { obfuscation: 'ab' }), delta('Help', { obfuscation: 'c' }));
    expect(known(repeated, delta('lo', { obfuscation: 'xyz' }))).toBe('lo');
  });

  it.each([
    ['a part of an event', delta('a').slice(0, -1)],
    ['an event and a part', delta('a') + delta('b').slice(0, -3)],
    ['another line end', delta('a').replaceAll('\n', '\r\n')],
    ['an escaped quote', delta('"')],
    ['an escape without a quote', delta('a\nb')],
    ['a control character in the text', delta('a?b').replace('?', '\r')],
    ['a usage', delta('a', { usage: { total_tokens: 1 } })],
    ['another finish', delta('a').replace('null}]', '"stop"}]')],
    ['an error behind it', delta('a') + event({ error: { message: 'no' } })],
    ['the end', `${delta('a')}data: [DONE]\n\n`],
  ])('does not know %s', (_, events) => {
    expect(known(taught(delta('Hello'), delta(' world')), events)).toBeUndefined();
  });

  it.each([
    ['numbers', delta('a', { created: 1 }), delta('a', { created: 2 })],
    ['a string that is no text', delta('a', { id: 'y' }), delta('a', { id: 'z' })],
    ['a type that becomes the text', event({ type: 'a', content: 'b' }), event({ type: 'b', content: 'b' })],
    ['a text and the name of the event', `event: a\n${delta('x')}`, `event: b\n${delta('y')}`],
    ['the text of an error', event({ error: { text: 'a' } }), event({ error: { text: 'b' } })],
    ['a text with a usage', delta('a', { usage: { n: 1 } }), delta('b', { usage: { n: 1 } })],
    ['escapes', delta('\\a'), delta('\\b')],
    ['nothing', delta('a'), delta('a')],
  ])('learns nothing from events that differ in %s', (_, one, other) => {
    const repeated = taught(one, other);
    for (const each of [one, other]) expect(known(repeated, each)).toBeUndefined();
  });

  it('stops to compare events that never repeat, and goes on with what it has learned', () => {
    const others = Array.from({ length: 20 }, (_, n) => event({ n }));
    expect(known(taught(...others, delta('a'), delta('b')), delta('c'))).toBeUndefined();
    expect(known(taught(delta('a'), delta('b'), ...others), delta('c'))).toBe('c');
  });
});

it('a stream with repeated events has the same bytes, end, text, usage and error, wherever chunks cut it', () => {
  const secret = 'sk-secret-0123456789';
  const piece = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('a', ' b', '', 'grüße', '🦀', 'data:', secret, `x${secret}`).map((text) => delta(text)) },
    fc.constantFrom(
      delta('"q"\n'),
      delta('a', { usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } }),
      event({ choices: [{ delta: { reasoning: 'r', content: null } }] }),
      event({ error: { message: 'no' } }),
      ': ping\n\n',
      `event: error\n${delta('e')}`,
      delta('cr').replaceAll('\n', '\r\n'),
      delta('cr').replaceAll('\n', '\r'),
      'data: [DONE]\n\n',
    ),
  );
  const read = (stream: Buffer, cuts: readonly number[], isFast: boolean): unknown => {
    const call = {
      translator: undefined,
      isBytes: false,
      reader: { ...OPENAI_READER, ends: endLinesOf('over').concat(Buffer.from('data: [DONE]')) },
    };
    const events = new AnswerEvents({
      call,
      contentType: 'text/event-stream',
      mask: new SecretMask([secret]),
      maxBytes: 10_000,
      textOf: isFast ? textIn : undefined,
    });
    let text = '';
    const record = new StreamTail({ count: (counted) => (text += counted).length });
    let passed = '';
    for (const [at, from] of cuts.entries()) {
      const arrived = events.read(Buffer.from(stream.subarray(from, cuts[at + 1])));
      if (arrived === undefined) continue;
      passed += arrived.bytes.toString('latin1');
      if (arrived.text === undefined) record.add(arrived.bytes);
      else record.addText(arrived.text, arrived.bytes.length);
      if (events.isOver) break;
    }
    record.text()?.tokens();
    return { passed, text, isOver: events.isOver, usage: record.usage(OPENAI_READER) };
  };
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), fc.array(fc.nat(4000), { maxLength: 12 }), fc.boolean(), (pieces, cuts, isWhole) => {
      const stream = Buffer.from(pieces.join(''));
      let end = 0;
      const ends = pieces.map((each) => (end += Buffer.byteLength(each)));
      const inner = isWhole ? ends : cuts.map((cut) => cut % (stream.length + 1));
      const from = [0, ...new Set(inner.sort((one, other) => one - other))].filter((at, i) => i === 0 || (at > 0 && at < stream.length));
      expect(read(stream, from, true)).toEqual(read(stream, from, false));
    }),
    { numRuns: 500 },
  );
});

it('AnswerText takes a text that was found like one that it finds', () => {
  const counted = (fill: (text: AnswerText) => void): unknown[] => {
    let seen = '';
    const text = new AnswerText((each) => (seen += each).length);
    fill(text);
    return [text.tokens(), seen, text.isOpen];
  };
  expect(counted((text) => text.addText('ab'))).toEqual(counted((text) => text.add(delta('ab'))));
});
