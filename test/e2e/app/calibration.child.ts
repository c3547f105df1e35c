import { compareImplementations, compareImplementationsAsync, FastLiteLLM } from '../../../lib/index.js';

/** Prints what comparisons of both token counters say: at first, when awaited, and after that. The environment decides. */
async function main(pair: [string, string]): Promise<void> {
  const first = compareImplementations(...pair);
  const awaited = await compareImplementationsAsync(...pair);
  const after = compareImplementations(...pair);
  const other = new FastLiteLLM({ calibrate: false });
  const unasked = other.monitor.compareImplementations(...pair);
  await other.close();
  process.stdout.write(JSON.stringify({ first, awaited, after, unasked }));
}

void main(['rust_token_counting', 'typescript_token_counting']);
