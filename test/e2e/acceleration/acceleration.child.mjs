// An app of ES modules: `acceleration.child.mjs SCENARIO`, with the hook. Prints its result as
// JSON.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const register = () => require('../../../lib/register.ts');
const [major, minor] = process.versions.node.split('.').map(Number);
const SUPPORTS_UNDICI_8 = major > 22 || (major === 22 && minor >= 19);
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

  /**
   * LangChain's text splitter with the tokenizer of @langchain/core, which fetches its vocabulary.
   */
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

  /** `fetch`, whose requests the pool takes where it has a connection, against a real server. */
  async fetch() {
    const dispatchers = () => [1, 2].map((version) => globalThis[Symbol.for(`undici.globalDispatcher.${version}`)]);
    const areThose = (others) => dispatchers().every((dispatcher, index) => dispatcher === others[index]);
    const sockets = new Set();
    const server = createServer((request, response) => {
      sockets.add(request.socket);
      setTimeout(() => response.end(`${request.method} ${request.url}`), 20);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    const ask = async (path, options) => (await globalThis.fetch(url + path, options)).text();
    const before = [await ask('/a'), dispatchers()];
    const { FastLiteLLM } = require('../../../lib/fast-litellm.ts');
    const logger = { log() {}, warn() {}, error() {} };
    const llm = new FastLiteLLM({ accelerate: ['undici'], logger, connectionPool: { maxConnectionsPerEndpoint: 3 } });
    const status = () => llm.acceleration.status().targets.undici;
    const one = await ask('/a', { method: 'POST', body: 'text' });
    const many = await Promise.all(Array.from({ length: 12 }, (_, index) => ask(`/${index}`)));
    const refused = await ask('/', { method: 'TRACE' }).catch((error) => error.name);
    const { state, answeredNatively, passedOn } = status();
    await llm.close();
    const restored = [areThose(before[1]), await ask('/b'), status().state];

    const { Agent, setGlobalDispatcher } = require('undici');
    const own = new Agent({ connect: { timeout: 1234 } });
    setGlobalDispatcher(own);
    const other = new FastLiteLLM({ accelerate: ['undici'], logger });
    const left = [areThose([own, own]), other.acceleration.status().targets.undici.reason];
    await other.close();
    server.close();
    server.closeAllConnections();
    return {
      before: before.slice(0, 1),
      one,
      many,
      refused,
      state,
      counts: [answeredNatively, passedOn],
      restored,
      left,
    };
  },

  /** Every line of undici beside Node's own `fetch`, without a dispatcher of the caller's. */
  async 'all lines of undici'() {
    const server = createServer((request, response) => request.pipe(response));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    void globalThis.Response;
    const lines = ['undici6', 'undici', ...(SUPPORTS_UNDICI_8 ? ['undici8'] : [])].map((name) => require(name));
    const { FastLiteLLM } = require('../../../lib/fast-litellm.ts');
    const llm = new FastLiteLLM({ accelerate: ['undici'], logger: { log() {}, warn() {}, error() {} } });
    const post = { method: 'POST', body: 'tea' };
    const answers = [await (await globalThis.fetch(url, post)).text()];
    for (const undici of lines) {
      answers.push(await (await undici.fetch(url, post)).text(), await (await undici.request(url, post)).body.text());
      const echo = { ...post, origin: url, path: '/' };
      answers.push(await (await undici.getGlobalDispatcher().request(echo)).body.text());
    }
    const { state, reason, answeredNatively, passedOn } = llm.acceleration.status().targets.undici;
    await llm.close();
    server.closeAllConnections();
    server.close();
    return { state, reason, counts: [answeredNatively, passedOn], many: answers };
  },

  /** What is loaded by the entry point and the token counter alone. */
  async 'without Nest'() {
    register();
    require('../../../lib/token-counter/token-counter.service.ts');
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
