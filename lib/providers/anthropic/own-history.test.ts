import { withOwnHistory } from './own-history.js';

const user = { role: 'user', content: 'Hello' };
const signed = { type: 'thinking', thinking: 'hm', signature: 's' };
const unsigned = { type: 'thinking', thinking: 'hm', signature: '' };
const text = { type: 'text', text: 'Hello' };
const use = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} });
const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: 'x' });
const said = (...content: object[]) => ({ role: 'assistant', content });
const asked = (...content: object[]) => ({ role: 'user', content });
const budget = { thinking: { type: 'enabled', budget_tokens: 2048 } };

describe('withOwnHistory', () => {
  it.each<[string, object]>([
    ['no messages', { messages: undefined }],
    ['messages that are none', { messages: [null, 'x', { content: [null, 1] }] }],
    ['a plain conversation', { messages: [user, said(text), user] }],
    ['signed thinking and own ids', { ...budget, messages: [user, said(signed, use('toolu_1')), asked(result('toolu_1'))] }],
    [
      'an own call without thinking behind one with it',
      {
        ...budget,
        messages: [user, said(signed, use('toolu_1')), asked(result('toolu_1')), said(use('toolu_2')), asked(result('toolu_2'))],
      },
    ],
    [
      "another model's calls before the user spoke again",
      { ...budget, messages: [user, said(use('call_1')), asked(result('call_1')), said(text), user] },
    ],
    [
      "another model's calls, with adaptive thinking",
      { thinking: { type: 'adaptive' }, messages: [user, said(use('call_1')), asked(result('call_1'))] },
    ],
  ])('returns the same object for %s', (_, body) => {
    expect(withOwnHistory(body as Record<string, unknown>)).toBe(body);
  });

  it('drops thinking that Claude did not sign, and turns of nothing else', () => {
    const body = { model: 'm', messages: [user, said(unsigned, text), user, said(unsigned), user] };
    expect(withOwnHistory(body)).toEqual({ model: 'm', messages: [user, said(text), user, user] });
    expect(body.messages[1]).toEqual(said(unsigned, text));
  });

  it('repairs ids alike in calls and results', () => {
    const gemini = 'g1__thought__a+/=';
    expect(withOwnHistory({ messages: [user, said(use(gemini), use('a.b')), asked(result(gemini), result('a.b'))] })).toEqual({
      messages: [user, said(use('g1'), use('a_b')), asked(result('g1'), result('a_b'))],
    });
  });

  it("drops the budget of thinking behind another model's calls, with the edits that need it", () => {
    const messages = [user, said(use('call_1')), asked(result('call_1')), said(use('toolu_1')), asked(result('toolu_1'))];
    const clear = { type: 'clear_thinking_20251015' };
    const tools = { type: 'clear_tool_uses_20250919' };
    expect(withOwnHistory({ ...budget, messages })).toEqual({ messages });
    expect(withOwnHistory({ ...budget, messages, context_management: { edits: [clear] } })).toEqual({ messages });
    expect(withOwnHistory({ ...budget, messages, context_management: { edits: [clear, tools] } })).toEqual({
      messages,
      context_management: { edits: [tools] },
    });
  });

  it("drops the budget where the thinking of another model's calls was unsigned", () => {
    const messages = [user, said(unsigned, use('call_1')), asked(result('call_1'))];
    expect(withOwnHistory({ ...budget, messages })).toEqual({ messages: [user, said(use('call_1')), asked(result('call_1'))] });
  });
});
