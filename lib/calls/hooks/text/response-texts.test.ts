import { textFormatOf } from './text-formats.js';

const format = textFormatOf('responses');
const read = (...events: object[]) => {
  const stream = format?.stream(1e6);
  return events.map((event) => stream?.read({ output_index: 0, content_index: 0, ...event }).slots ?? []);
};
const facts = (slots: readonly { text: string; kind: string; isJson?: boolean; isLast: boolean }[]) =>
  slots.map(({ text, kind, isJson, isLast }) => [text, kind, isJson === true, isLast]);

describe('the texts of Responses', () => {
  it.each<[string, object, readonly unknown[]]>([
    ['a message', { type: 'message', content: [{ type: 'output_text', text: 'a' }] }, [['a', 'content', false, true]]],
    ['a refusal', { type: 'message', content: [{ type: 'refusal', refusal: 'no' }] }, [['no', 'refusal', false, true]]],
    ['a function call', { type: 'function_call', name: 'f', arguments: '{"a":1}' }, [['{"a":1}', 'arguments', true, true]]],
    ['a custom tool', { type: 'custom_tool_call', name: 'f', input: 'free' }, [['free', 'arguments', false, true]]],
    ['a summary', { type: 'reasoning', summary: [{ type: 'summary_text', text: 'so' }] }, [['so', 'reasoning', false, true]]],
  ])('are those of %s', (_, item, expected) => {
    const slots = format?.whole({ output: [item] }) ?? [];
    expect(facts(slots)).toEqual(expected);
    slots[0].put('changed');
    expect(JSON.stringify(item)).toContain('changed');
  });

  it('are guarded at their end if no delta had them', () => {
    expect(read({ type: 'response.output_text.done', text: 'whole' }).map(facts)).toEqual([[['whole', 'content', false, true]]]);
    expect(read({ type: 'response.output_text.done' }).map(facts)).toEqual([[]]);
    const deltas = read({ type: 'response.output_text.delta', delta: 'wh' }, { type: 'response.output_text.done', text: 'whole' });
    expect(deltas.map(facts)).toEqual([[['wh', 'content', false, false]], [['', 'content', false, true]]]);
  });

  it.each([
    ['chat', { choices: [{ index: 0, delta: { content: 'Ja' }, finish_reason: null }] }],
    ['completions', { choices: [{ index: 0, text: 'Ja', finish_reason: null }] }],
    ['responses', { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'Ja' }],
  ])('have no unchecked text next to what is left of a stream: %s', (operation, event) => {
    const stream = textFormatOf(operation as 'chat')?.stream(1e6);
    stream?.read({ id: 'c-1', created: 1, ...event, note: 'Jane Roe', 'for Jane Roe': 1 });
    const [{ event: rest }] = stream?.rest() ?? [];
    expect(rest).toMatchObject({ id: 'c-1', created: 1 });
    expect(JSON.stringify(rest)).not.toContain('Jane');
  });
});
