import { FastLiteLLM, InvalidArgumentError } from '../index.js';
import { countPromptTokens } from './counted-request.js';

const llm = new FastLiteLLM();
const count = (fields: object): Promise<number> => countPromptTokens({ model: 'gpt-4o', ...fields }, 'responses', llm.tokenCounter);

afterAll(() => llm.close());

describe('the input tokens of a response', () => {
  it('counts a text as the message that it is', async () => {
    expect(await count({ input: 'Hello' })).toBe(await count({ input: [{ role: 'user', content: 'Hello' }] }));
    expect(await count({ input: 'Hello' })).toBeGreaterThan(5);
  });

  it('counts instructions and tools', async () => {
    const tools = [{ type: 'function', name: 'weather', description: 'Says the weather', parameters: { type: 'object', properties: {} } }];
    const plain = await count({ input: 'Hello' });
    expect(await count({ input: 'Hello', instructions: 'Be kind.' })).toBeGreaterThan(plain);
    expect(await count({ input: 'Hello', tools })).toBeGreaterThan(plain);
  });

  it('counts a large input', async () => {
    const large = await count({ input: [{ role: 'user', content: [{ type: 'input_text', text: 'one two three '.repeat(100_000) }] }] });
    expect(large).toBeGreaterThan(200_000);
  });

  it.each([{ input: 7 }, { input: [7] }, { model: '', input: 'a' }])('rejects %j', async (fields) => {
    await expect(count(fields)).rejects.toThrow(InvalidArgumentError);
  });
});
