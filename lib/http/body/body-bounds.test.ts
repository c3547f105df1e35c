import { checkBodyBounds, DEFAULT_BODY_BOUNDS } from './body-bounds.js';

describe('arguments of tool calls', () => {
  const check = (body: object) => () => checkBodyBounds({ ...body }, DEFAULT_BODY_BOUNDS);
  const many = `{"a":[${'{},'.repeat(110_000)}{}]}`;
  const call = (input: unknown): object => ({ id: 'c', type: 'function', function: { name: 'f', arguments: input } });
  const turn = (...calls: unknown[]): object => ({ role: 'assistant', tool_calls: calls });

  it.each([
    ['messages[0].tool_calls', { messages: [turn(call(many), call(many))] }],
    ['messages[1].tool_calls', { messages: [turn(call(many)), turn(call(many))] }],
    ['input[1].arguments', { input: [{ arguments: many }, { arguments: many }] }],
  ])('must not hide more values than a body may have: %s', (path, body) => {
    expect(check(body)).toThrow(expect.objectContaining({ code: 'TOO_MANY_ENTRIES', path }) as Error);
    expect(check(body)).toThrow('llmClient.bounds.argumentValues');
  });

  it('may be long', () => {
    const code = JSON.stringify({ code: 'if (a) { b[0]; }'.repeat(100_000) });
    expect(check({ messages: [turn(call(many), call(code))] })).not.toThrow();
    expect(check({ messages: [turn(null, call(undefined), call({}), 5, { function: null })] })).not.toThrow();
  });
});

describe('a list of inputs', () => {
  it.each(['input', 'prompt'])('has the bound of %s, not that of other lists', (name) => {
    const check = (entries: number) => () => checkBodyBounds({ [name]: Array<string>(entries).fill('a') }, DEFAULT_BODY_BOUNDS);
    expect(check(10_000)).not.toThrow();
    expect(check(10_001)).toThrow(expect.objectContaining({ code: 'TOO_MANY_ENTRIES', path: name }) as Error);
  });
});

describe('a field that is named like one of all objects', () => {
  it.each(['constructor', 'toString', 'valueOf'])('has the bound of any other list: %s', (name) => {
    const check = (entries: number) => () => checkBodyBounds({ [name]: Array.from({ length: entries }, () => 1) }, DEFAULT_BODY_BOUNDS);
    expect(check(1000)).not.toThrow();
    expect(check(1001)).toThrow('at most 1000 entries (llmClient.bounds.list), got 1001');
  });
});
