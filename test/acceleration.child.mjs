// An app of ES modules, started with the sources' hook: `acceleration.child.mjs SCENARIO`. Says what it saw as one line of JSON.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const register = () => require('../lib/register.ts');
const TEXT = 'It’s 12345 tokens:\n\n  naïve 东京 🦀 and a few words more.\n  ';

const scenarios = {
  /** The libraries as ES modules, loaded before and after; what was taken out of them before. */
  async modules() {
    const [gpt, js, wasm] = [await import('gpt-tokenizer'), await import('js-tiktoken'), await import('tiktoken')];
    const { encode, countTokens } = gpt;
    const [early, earlyWasm] = [js.getEncoding('cl100k_base'), wasm.get_encoding('o200k_base')];
    const ask = () => [encode(TEXT), countTokens(TEXT), early.encode(TEXT), [...earlyWasm.encode_ordinary(TEXT)]];
    const before = ask();
    const { getPatchStatus, removeAcceleration } = register();
    const during = ask();
    const later = await import('gpt-tokenizer/encoding/cl100k_base');
    const limits = [later.isWithinTokenLimit('hello world', 2), later.isWithinTokenLimit('hello world', 1)];
    const { targets } = getPatchStatus();
    removeAcceleration();
    return { before, during, after: ask(), limits, targets, afterwards: getPatchStatus().targets };
  },

  /** LangChain's text splitter, whose tokenizer comes from @langchain/core, and its vocabulary from the net. */
  async langchain() {
    const { TokenTextSplitter } = await import('@langchain/textsplitters');
    globalThis.fetch = async (url) => globalThis.Response.json(require(`js-tiktoken/ranks/${/js\/(\w+)\.json$/.exec(String(url))[1]}`));
    const splitter = new TokenTextSplitter({ encodingName: 'cl100k_base', chunkSize: 100, chunkOverlap: 20 });
    const text = Array.from({ length: 60 }, (_, index) => `${TEXT}${index} `).join('\n');
    const before = await splitter.splitText(text);
    const { getPatchStatus } = register();
    const after = await splitter.splitText(text);
    return { before, after, targets: getPatchStatus().targets };
  },

  /** What is loaded by the entry point and the token counter alone. */
  async 'without Nest'() {
    register();
    require('../lib/token-counter/token-counter.service.ts');
    return { nest: Object.keys(require.cache).filter((file) => file.includes('@nestjs')) };
  },

  /** From a folder without packages. */
  async elsewhere() {
    process.chdir(process.argv[3]);
    const { applyAcceleration, getPatchStatus } = register();
    return { applied: applyAcceleration(), ...getPatchStatus() };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));
