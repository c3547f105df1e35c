import { FastLiteLLM } from '../../../lib/fast-litellm.js';
import type { FastLiteLLMOptions } from '../../../lib/fast-litellm.options.js';

/** Opens the tokenizers of the options, counts a text and a body, and prints what happened as JSON. */
async function main(): Promise<void> {
  const [options, model, text, body] = JSON.parse(process.argv[2]) as [FastLiteLLMOptions, string, string, object | null];
  const lines: string[] = [];
  const log = (line: unknown): void => void lines.push(String(line));
  let error: unknown = undefined;
  let before: unknown = undefined;
  let after: unknown = undefined;
  try {
    const llm = new FastLiteLLM({ ...options, logger: { log, warn: log, error: log } });
    const count = () => llm.tokenCounter.countRequest({ model, input: text });
    before = count();
    await llm.tokenCounter.ready();
    const { tokenCounter } = llm;
    after = {
      ...count(),
      ids: [...tokenCounter.encode(text, model)],
      withSpecials: tokenCounter.countTokens(text, { model, allowedSpecial: 'all' }),
      ...(body !== null && { body: tokenCounter.countRequest(body), bodyAsync: await tokenCounter.countRequestAsync(body) }),
    };
    await llm.close();
  } catch (thrown) {
    const { name, code, path, message, cause } = thrown as Error & { code: string; path: string; cause?: Error };
    error = { name, code, path, message, cause: cause?.message };
  }
  process.stdout.write(JSON.stringify({ before, after, error, lines }));
}

void main();
