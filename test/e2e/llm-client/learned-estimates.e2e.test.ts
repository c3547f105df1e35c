import { FastLiteLLM } from 'nestjs-fast-litellm';
import { startProvider, type ScriptStep } from 'nestjs-fast-litellm/testing';

// What providers report about prompts corrects the estimates for a model without a public tokenizer.

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: { close(): Promise<unknown> }[] = [];
afterEach(() => Promise.all(opened.splice(0).map((each) => each.close())));

const answerOf = (promptTokens: number): ScriptStep => ({ text: 'Yes.', usage: { promptTokens, completionTokens: 2 } });

async function open(script: ScriptStep | readonly ScriptStep[]): Promise<FastLiteLLM> {
  const provider = await startProvider('openai', { script });
  const modelList = ['my-model', 'other'].map((group) => provider.deployment(group, { model: `openai/${group}` }));
  const llm = new FastLiteLLM({ router: { modelList, fallbacks: [{ 'my-model': ['other'] }], numRetries: 0 }, logger: quiet });
  opened.push(llm, provider);
  return llm;
}

const chat = (words: number) => ({ model: 'my-model', messages: [{ role: 'user', content: 'one two three four '.repeat(words / 4) }] });
const local = new FastLiteLLM({ tokenCounter: { estimates: false }, logger: quiet }).tokenCounter;
const observations = (llm: FastLiteLLM): number =>
  llm.metrics().find(({ name }) => name === 'token_estimates_observations_total')?.value ?? NaN;

describe('LlmClient corrects estimates by the usage', () => {
  it.each([
    ['of whole answers', 200, false],
    ['of streams', 200, true],
    ['for long bodies, which stay bytes', 20_000, false],
  ])('%s', async (_, words, stream) => {
    const tokens = local.countRequest(chat(words)).promptTokens;
    const llm = await open(answerOf(Math.round(tokens * 1.5)));
    for (let i = 0; i < 25; i++) {
      const body = Buffer.from(JSON.stringify({ ...chat(words), stream }));
      const answer = await llm.client.chat(stream ? { ...chat(words), stream: true as const } : body);
      if (stream) for await (const chunk of answer as AsyncIterable<unknown>) expect(chunk).toBeDefined();
    }
    expect(observations(llm)).toBe(25);
    const { promptTokens, bound } = llm.tokenCounter.countRequest(chat(words));
    expect(promptTokens / tokens).toBeCloseTo(1.5, 1);
    expect(bound).toBeGreaterThanOrEqual(promptTokens);
  });

  it('and not by that of a fallback, or of a prompt with an image', async () => {
    const llm = await open([{ status: 500 }, answerOf(500), answerOf(500)]);
    await llm.client.chat(chat(200));
    expect(observations(llm)).toBe(0);
    const image = { type: 'image_url' as const, image_url: { url: 'https://example.com/cat.png' } };
    await llm.client.chat({ model: 'other', messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, image] }] });
    expect(observations(llm)).toBe(0);
  });
});
