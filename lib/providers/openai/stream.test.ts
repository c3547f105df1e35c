import { errorAtEnd, openingOf as openingOfBytes } from './stream.js';

const openingOf = (text: string) => openingOfBytes(Buffer.from(text));

const failure = '{"error":{"message":"overloaded"}}';
const broken = '{"id":"1","object":"chat.completion.chunk","error":{"code":502,"message":"gone"},"choices":[{"finish_reason":"error"}]}';
const chunk = '{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}';

describe('openingOf', () => {
  it.each<[string, string, ReturnType<typeof openingOf>]>([
    ['nothing', '', 'undecided'],
    ['a comment', ': PROCESSING\n\n: PROCESSING\r\n', 'undecided'],
    ['half a comment', ': PROC', 'undecided'],
    ['half a name', 'da', 'undecided'],
    ['half an error', 'data: {"error":{"mess', 'undecided'],
    ['an event called so, without its data', 'event: error\nda', 'undecided'],
    ['an error', `data: ${failure}\n\n`, { error: failure }],
    ['an error behind comments', `: x\n\n: y\n\ndata:${failure}\n`, { error: failure }],
    ['an error in CR and LF, with spaces', 'event: error\r\ndata: { "error" : "no" }\r\n\r\n', { error: '{ "error" : "no" }' }],
    ['an error of another shape, called so', 'event: error\ndata: {"type":"error"}\n\n', { error: '{"type":"error"}' }],
    ['an error among other things', `data: ${broken}\n\n`, { error: broken }],
    ['a chunk', `data: ${chunk}\n\n`, 'answer'],
    ['most of a chunk', `data: ${chunk}`, 'answer'],
    ['a chunk of another name', `event: message\ndata: ${chunk}\n\n`, 'answer'],
    ['a chunk without an error', 'data: {"error":null,"choices":[]}\n\n', 'answer'],
    ["Azure's results of its filter", 'data: {"choices":[],"prompt_filter_results":[]}\n\n', 'undecided'],
    ['an error behind them', `data: {"choices":[],"prompt_filter_results":[]}\n\ndata: ${failure}\n\n`, { error: failure }],
    ['a short end', 'data: [DONE]\n\n', 'answer'],
    ['more spaces than a search may go through again for each of them', `data:${' '.repeat(64 * 1024)}`, 'answer'],
  ])('decides what a stream begins with: %s', (_, text, opening) => {
    expect(openingOf(text)).toEqual(opening);
  });

  it("reads any number of Azure's results of its filter as one text", () => {
    const bytes = Buffer.from('data: {"choices":[],"prompt_filter_results":[]}\n\n'.repeat(1300) + `data: ${failure}\n\n`);
    const toString = jest.spyOn(Buffer.prototype, 'toString');
    const opening = openingOfBytes(bytes);
    const reads = toString.mock.calls.length;
    toString.mockRestore();
    expect([opening, reads]).toEqual([{ error: failure }, 1]);
  });

  it('decides the same or not yet, wherever the beginning is cut', () => {
    const whole = [`: ok\n\nevent: error\ndata: ${failure}\n\n`, `data: ${failure}\n\n`, `: ok\n\ndata: ${chunk}\n\n`];
    for (const text of whole) {
      const ends = Array.from({ length: text.length }, (_, end) => openingOf(text.slice(0, end)));
      const final = openingOf(text);
      for (const opening of ends) expect([final, 'undecided']).toContainEqual(opening);
    }
  });
});

it('errorAtEnd finds an error at the end of a stream, and none in a text that quotes one', () => {
  expect(errorAtEnd(Buffer.from(`oices":[]}\n\ndata: ${failure}\n\n`))).toBe(failure);
  const quoted = JSON.stringify({ choices: [{ delta: { content: `\ndata: ${failure}` } }], error: null });
  expect(errorAtEnd(Buffer.from(`data: ${quoted}\n\ndata: [DONE]\n\n`))).toBeUndefined();
  expect(errorAtEnd(Buffer.from(`data: ${broken}\r\n\r\ndata: [DONE]\r\n\r\n`))).toBe(broken);
  expect(errorAtEnd(Buffer.from('event: error\ndata: {"type":"overloaded"}\n\n'))).toBe('{"type":"overloaded"}');
  expect(errorAtEnd(Buffer.from(`event: error\n\ndata: ${chunk}\n\n`))).toBeUndefined();
});
