import { ResponseFrame } from './answer.js';

describe('the object of a response', () => {
  const whole = (body: object, facts: Omit<Parameters<ResponseFrame['with']>[0], 'status'> = {}): object =>
    new ResponseFrame({ model: 'm', ...body }).with({ status: 'completed', ...facts });
  const DEFAULTS = {
    ...{ object: 'response', status: 'completed', background: false, error: null, incomplete_details: null, instructions: null },
    ...{ max_output_tokens: null, model: 'm', output: [], parallel_tool_calls: true, previous_response_id: null },
    ...{ reasoning: { effort: null, summary: null }, store: true, temperature: null, text: { format: { type: 'text' } } },
    ...{ tool_choice: 'auto', tools: [], top_p: null, truncation: 'disabled', usage: null, user: null, metadata: {} },
  };

  it("has OpenAI's defaults for what the request does not set, or sets to null", () => {
    const id = expect.stringMatching(/^resp_/) as string;
    expect(whole({})).toEqual({ ...DEFAULTS, id, created_at: expect.any(Number) as number });
    const names = ['instructions', 'max_output_tokens', 'parallel_tool_calls', 'reasoning', 'temperature', 'text', 'tool_choice', 'tools'];
    const nulls = Object.fromEntries([...names, 'top_p', 'truncation', 'user', 'metadata'].map((name) => [name, null]));
    expect(whole(nulls)).toMatchObject(DEFAULTS);
  });

  it('repeats what the request sets, false, 0 and empty values included', () => {
    const set = {
      ...{ instructions: '', max_output_tokens: 0, parallel_tool_calls: false, store: false, temperature: 0, top_p: 0 },
      ...{ tool_choice: 'none', tools: [{ type: 'function', name: 'f' }], truncation: 'auto', user: 'u', metadata: { a: 'b' } },
    };
    expect(whole({ ...set, reasoning: { effort: 'low' }, text: { verbosity: 'low' } })).toMatchObject({
      ...set,
      reasoning: { effort: 'low', summary: null },
      text: { format: { type: 'text' }, verbosity: 'low' },
    });
  });

  it.each([
    ['a model', { model: 'm-2' }, { model: 'm-2' }],
    ['no model', { model: '' }, { model: 'm' }],
    ['a model that is not a text', { model: 7 }, { model: 'm' }],
    ['a reason', { reason: 'max_output_tokens' }, { incomplete_details: { reason: 'max_output_tokens' } }],
  ])('has what the answer states: %s', (_, facts, fields) => {
    expect(whole({}, facts)).toMatchObject(fields);
  });
});

it('has the functions of namespaces under the names that chat has for them', () => {
  const named = { type: 'function', name: 'find' };
  const tools = [named, { type: 'namespace', name: 'crm', tools: [named, { type: 'function' }] }, { type: 'namespace', tools: [named] }];
  const frame = new ResponseFrame({ model: 'm', tools });
  expect(frame.called('crm__find')).toEqual({ name: 'find', namespace: 'crm' });
  expect(frame.called('find')).toEqual({ name: 'find' });
  expect(frame.called('other')).toEqual({ name: 'other' });
});
