import { echoedTexts, OtherTexts } from './other-texts.js';

it('finds the texts that an answer of Responses may repeat, and the names of their fields', () => {
  const body = {
    model: 'm',
    instructions: 'Be brief.',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }, 'plain', null, 7],
    metadata: { team: { lead: 'Ada' } },
    messages: ['not repeated'],
  };
  const texts = ['Be brief.', 'role', 'user', 'content', 'type', 'input_text', 'text', 'Hello', 'plain', 'team', 'lead', 'Ada'];
  expect([...echoedTexts(body)].sort()).toEqual(texts.sort());
  expect(echoedTexts({}).size).toBe(0);
});

describe('the other texts of a stream', () => {
  const read = (texts: OtherTexts, event: object) =>
    texts.read(event as never, []).slots.map(({ part, choice, text, isLast }) => [part, choice, text, isLast]);
  const choiceOf = (index: number, text: string, reason: string | null = null) => ({
    choices: [{ index, delta: { note: text }, finish_reason: reason }],
  });

  it('are joined by choice until it ends', () => {
    const texts = new OtherTexts(new Set());
    expect(read(texts, choiceOf(0, 'one two'))).toEqual([['0:choices.0.delta.note', 0, 'one two', false]]);
    expect(read(texts, choiceOf(1, 'a b'))).toEqual([['1:choices.1.delta.note', 1, 'a b', false]]);
    expect(texts.rest()).toHaveLength(2);
    expect(read(texts, choiceOf(0, ' three', 'stop'))).toEqual([['0:choices.0.delta.note', 0, ' three', true]]);
    expect(texts.rest()).toHaveLength(1);
    expect(read(texts, { choices: [{ index: 1, delta: {}, finish_reason: 'stop' }] })).toEqual([['1:choices.1.delta.note', 0, '', true]]);
    expect(texts.rest()).toHaveLength(0);
  });

  it('of a choice outside of its delta are joined as well, and those of other events are not', () => {
    const texts = new OtherTexts(new Set());
    expect(read(texts, { choices: [{ index: 2, note: 'one two' }] })).toEqual([['2:choices.2.note', 2, 'one two', false]]);
    expect(read(texts, { type: 'other', note: 'one two' })).toEqual([['note', 0, 'one two', true]]);
    expect(read(texts, { type: 'content_block_delta', index: 3, delta: { note: 'a b' } })).toEqual([['3:delta.note', 0, 'a b', false]]);
    expect(texts.rest()).toHaveLength(2);
    expect(read(texts, { type: 'content_block_stop', index: 4 })).toEqual([]);
    expect(read(texts, { type: 'content_block_stop', index: 3 })).toEqual([['3:delta.note', 0, '', true]]);
    expect(read(texts, { type: 'message_stop' })).toEqual([['2:choices.2.note', 0, '', true]]);
  });
});
