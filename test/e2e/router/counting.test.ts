import { ContextWindowExceededError, FastLiteLLM, type ModelListEntry, type RouterOptions } from 'nestjs-fast-litellm';
import { fromMinute } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: FastLiteLLM[] = [];

function open(router: RouterOptions): FastLiteLLM {
  const llm = new FastLiteLLM({ router, logger: quiet }, { now: fromMinute() });
  opened.push(llm);
  return llm;
}

afterEach(() => Promise.all(opened.splice(0).map((llm) => llm.close())));

const entry = (info: object = {}): ModelListEntry => ({
  model_name: 'gpt-4o',
  litellm_params: { model: 'openai/gpt-4o', api_key: 'none' },
  model_info: { id: 'a', ...info },
});
const messages = [{ role: 'user', content: 'one two three four five six' }];

describe('the messages of a routing context', () => {
  it('are counted by the token counter of the module', () => {
    const { router, tokenCounter } = open({ modelList: [entry()] });
    router.acquire('gpt-4o', { messages });
    expect(router.status()[0].tokens).toBe(tokenCounter.countMessages(messages, 'gpt-4o'));
  });

  it('are compared with the context window', () => {
    const { router } = open({ modelList: [entry({ max_input_tokens: 5 })], enablePreCallChecks: true });
    expect(() => router.acquire('gpt-4o', { messages })).toThrow(ContextWindowExceededError);
    expect(router.getAvailableDeployment('gpt-4o', { messages })).toBeNull();
    expect(router.explain('gpt-4o', { messages }).deployments[0].reason).toBe('context_window');
  });

  it('are counted in full if they have a part of an unknown type', () => {
    const { router, tokenCounter } = open({ modelList: [entry()] });
    const [text, caption] = ['word '.repeat(1_000), 'seen from the left '.repeat(50)];
    router.acquire('gpt-4o', { messages: [{ role: 'user', content: [{ type: 'hologram', text, view: { caption } }] }] });
    const least = tokenCounter.countTokens(text, 'gpt-4o') + tokenCounter.countTokens(caption, 'gpt-4o');
    expect(router.status()[0].tokens).toBeGreaterThanOrEqual(least);
  });

  it('are counted by countTokens of the router if set, and not counted if inputTokens is given', () => {
    const { router } = open({ modelList: [entry()], countTokens: () => 7 });
    router.acquire('gpt-4o', { messages });
    router.acquire('gpt-4o', { messages, inputTokens: 100 });
    expect(router.status()[0].tokens).toBe(107);
  });
});
