import fc from 'fast-check';
import { AnswerModel } from './answer-model.js';

const model = new AnswerModel('my "group"');
const whole = (json: string): string => model.whole(Buffer.from(json)).toString();
const events = (text: string): string => model.events(Buffer.from(text)).toString();
const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;

describe('AnswerModel', () => {
  it('replaces only the model of an answer, in any order of its fields', () => {
    const value = fc.oneof(
      fc.constantFrom('model', '"model":"x"', '{"model":"m"}', '\\'),
      fc.constant({ model: 'nested', list: [{ model: 'x' }] }),
      fc.constant([{ model: 'm' }]),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const fields = fc.dictionary(fc.constantFrom('id', 'choices', 'a"model', 'usage', 'tools'), value);
    fc.assert(
      fc.property(fields, fields, fc.constantFrom(undefined, 1, 2), (before, after, spaces) => {
        const answer = { ...before, model: 'provider\\"s', ...after };
        const asked = { ...answer, model: 'my "group"' };
        expect(whole(JSON.stringify(answer, null, spaces))).toBe(JSON.stringify(asked, null, spaces));
        expect(whole(JSON.stringify({ ...before, other: after }))).toBe(JSON.stringify({ ...before, other: after }));
      }),
    );
  });

  it('replaces the model at the end of a long list, and not one within it', () => {
    const data = Array.from({ length: 3000 }, (_, index) => ({ index, embedding: [0.25], model: 'inner' }));
    expect(whole(JSON.stringify({ data, model: 'm', usage: { model: 1 } }))).toBe(
      JSON.stringify({ data, model: 'my "group"', usage: { model: 1 } }),
    );
    expect(whole(JSON.stringify({ model: 'm', data }))).toBe(JSON.stringify({ model: 'my "group"', data }));
    expect(whole(JSON.stringify({ data }))).toBe(JSON.stringify({ data }));
  });

  it('replaces the model in each event of chat, Messages and Responses', () => {
    const all = (name: string): string =>
      [
        event({ id: 'c', model: name, choices: [{ delta: { content: '"model":"x"' }, model: 'deep' }] }),
        `event: message_start\n${event({ type: 'message_start', message: { id: 'm', model: name, content: [{ model: 'deep' }] } })}`,
        event({ type: 'response.created', response: { tools: [{ model: 'deep' }], model: name } }),
        event({ type: 'other', item: { model: 'deep' }, message: 'no {"model":"x"}' }),
        `: a {comment" of "model":"x"\n\n`,
        event({ model: name }),
        'data: [DONE]\n\n',
      ].join('');
    expect(events(all('m'))).toBe(all('my "group"'));
    expect(events(all('m').replaceAll('\n', '\r\n'))).toBe(all('my "group"').replaceAll('\n', '\r\n'));
  });

  it('replaces the model in events that begin alike, whatever follows', () => {
    const stream = new AnswerModel('mine');
    const read = (text: string): string => stream.events(Buffer.from(text)).toString();
    const first = (rest: string, name = 'm'): string => `data: {"id":"c","model":"${name}"${rest}\n\n`;
    const rests = ['}', ',"choices":[{"model":"x"}]}', ',"a":"\\"model\\":"}', `}\n\n${first('}')}data: {"a":{"model":"x"}}`, '}', '-x"}'];
    for (const rest of rests)
      expect(read(first(rest))).toBe(
        first(rest, 'mine').replace('}\n\ndata: {"id":"c","model":"m"', '}\n\ndata: {"id":"c","model":"mine"'),
      );
    expect(read(first('}', 'other'))).toBe(first('}', 'mine'));
    expect(read('data: {"id":"d","model":"m"}\n\n')).toBe('data: {"id":"d","model":"mine"}\n\n');
  });

  it.each(['', 'data: {"model":"cut', 'data: {"model":null}\n\n', 'data: {"model":["m"]}\n\n', 'data: "model":"m"\n\n'])(
    'leaves %j as it is',
    (text) => expect(events(text)).toBe(text),
  );

  it('returns the same bytes if the name is the same', () => {
    const bytes = Buffer.from(JSON.stringify({ model: 'my "group"' }));
    expect(model.whole(bytes)).toBe(bytes);
  });
});
