import { requestedFields, withoutDropped } from './parameters.js';
import type { SentRequest } from './protocol.js';

const sentWith = (drops: unknown, params: object = {}): SentRequest => {
  const body = { model: 'm', messages: [{ role: 'user', content: 'a', name: 'n' }], additional_drop_params: drops };
  const request = { body, hasOwnFields: true, hasTags: false };
  return { model: 'm', provider: 'openai', params, body, request, headers: [], addsUsage: false } as unknown as SentRequest;
};

describe('additional_drop_params', () => {
  it.each<[string, object]>([
    ['messages[*].name', { messages: [{ role: 'user' }, { role: 'tool' }], tools: [[1], 2] }],
    ['messages[1].name', { messages: [{ role: 'user', name: 'a' }, { role: 'tool' }], tools: [[1], 2] }],
    ['messages[0]', { messages: [{ role: 'tool', name: 'b' }], tools: [[1], 2] }],
    [
      'tools[*][0]',
      {
        messages: [
          { role: 'user', name: 'a' },
          { role: 'tool', name: 'b' },
        ],
        tools: [[], 2],
      },
    ],
    [
      'messages.none.name',
      {
        messages: [
          { role: 'user', name: 'a' },
          { role: 'tool', name: 'b' },
        ],
        tools: [[1], 2],
      },
    ],
  ])('removes %s', (path, left) => {
    const messages = [
      { role: 'user', name: 'a' },
      { role: 'tool', name: 'b' },
    ];
    expect(withoutDropped({ messages, tools: [[1], 2] }, [path])).toEqual(left);
  });

  it('does not copy objects from which nothing is removed', () => {
    const fields = {
      messages: [
        { role: 'user', content: [{ type: 'text' }] },
        { role: 'user', content: [{ type: 'text', x: 1 }] },
      ],
    };
    const left = withoutDropped(fields, ['messages[*].content[*].x', 'messages[*].content[*].none']);
    const { messages } = left as typeof fields;
    expect(messages[0]).toBe(fields.messages[0]);
    expect(messages[1]).toEqual(fields.messages[0]);
    expect(withoutDropped(fields, ['none', 'messages[*].none'])).toBe(fields);
  });

  it.each<[string, readonly string[]]>([
    ['many paths', Array.from({ length: 17 }, () => 'messages[*].name')],
    ['a long path', [`messages[*]${'.a'.repeat(200)}`]],
  ])('of a caller must not be %s, each of which may walk the whole conversation', (_, paths) => {
    expect(() => requestedFields(sentWith(paths))).toThrow(
      'additional_drop_params: must be an array of at most 16 paths of at most 256 characters',
    );
  });

  it('of the operator may be', () => {
    const additional_drop_params = [...Array.from({ length: 100 }, (_, at) => `x${at}`), 'messages[*].name'];
    const { fields } = requestedFields(sentWith(['messages[*].content'], { additional_drop_params }));
    expect(fields.messages).toEqual([{ role: 'user' }]);
  });
});

describe('the extra_body of a request', () => {
  it('adds no figure of the output, no prompt and no model in another case', () => {
    const extra_body = {
      top_k: 1,
      best_of: 9,
      N: 9,
      Model: 'dear',
      maxOutputTokens: 9,
      system: 'a',
      System_Instruction: 'a',
      background: true,
      serviceTier: 'priority',
      generationConfig: { maxOutputTokens: 9, candidateCount: 9, topK: 2 },
    };
    const sent = sentWith([]);
    const { extra } = requestedFields({ ...sent, request: { ...sent.request, body: { model: 'm', extra_body } } });
    expect(extra).toEqual({ top_k: 1, generationConfig: { topK: 2 } });
  });

  it('may not have the usage of streams dropped', () => {
    const sent = { ...sentWith(['stream_options', 'stream_options.include_usage', 'user']), addsUsage: true };
    expect(requestedFields(sent).fields.stream_options).toEqual({ include_usage: true });
  });
});
