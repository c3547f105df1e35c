import { FastLiteLLM } from '../../../lib/fast-litellm.js';
import type { FastLiteLLMOptions } from '../../../lib/fast-litellm.options.js';

/** What an app with these options counts: a text of a model and a body, once its tokenizers are open. */
export type Call = readonly [options: FastLiteLLMOptions, model: string, text: string, body: object | null];

/** Opens the tokenizers of the options, counts the text and the body, and tells what happened. */
async function answer([options, model, text, body]: Call): Promise<object> {
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
  return { before, after, error, lines };
}

/** One app after the other; prints their answers as JSON. */
async function main(): Promise<void> {
  const answers: object[] = [];
  for (const call of JSON.parse(process.argv[2]) as Call[]) answers.push(await answer(call));
  process.stdout.write(JSON.stringify(answers));
}

void main();
