import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import ts from 'typescript';
import { codeBlocks } from '../../project/readme-document.js';
import { root } from '../../project/sources.js';
import { deploymentOf, stopProviders } from '../../support/llm-client-providers.js';
import { recorder, sendChat, sendJson } from '../../support/responses-gateway.js';

type Example = Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>;
type Class<T> = new (llm: FastLiteLLM) => T;

const path = 'docs/langchain.md';
const blocks = codeBlocks({ path, text: readFileSync(join(root, path), 'utf8') });

/** The exports of the example that contains `text`. */
function example(text: string): Example {
  const found = blocks.find((block) => block.text.includes(text));
  const compilerOptions: ts.CompilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  const { outputText } = ts.transpileModule(found?.text ?? '', { compilerOptions });
  const exported = {};
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the guide's own text
  (new Function('require', 'exports', outputText) as (...args: unknown[]) => void)(
    (name: string): unknown => jest.requireActual(name),
    exported,
  );
  return exported;
}

let llm: FastLiteLLM;

beforeAll(async () => {
  const { apiBase } = await recorder((url, body, response) => {
    if (url.endsWith('/embeddings')) {
      const data = (body.input as string[]).map((text, index) => ({ object: 'embedding', index, embedding: [text.length] }));
      return sendJson(response, { object: 'list', model: 'm', data, usage: { prompt_tokens: 1, total_tokens: 1 } });
    }
    const { role } = (body.messages as { role: string }[]).at(-1)!;
    const [tool] = (body.tools ?? []) as { function: { name: string } }[];
    const name = tool?.function.name;
    const input = name === 'person' ? { name: 'Ada', age: 36 } : { city: 'Oslo' };
    if (name === undefined || role === 'tool') return sendChat(response, body, { content: 'It is cold.' });
    sendChat(response, body, { tool_calls: [{ id: 'call_1', name, arguments: JSON.stringify(input) }] });
  });
  const groups = ['gpt-4o', 'text-embedding-3-small'];
  const modelList = groups.map((group) => deploymentOf(group, { name: group, apiBase }, { model: `openai/${group}` }));
  llm = new FastLiteLLM({ router: { modelList }, logger: { log: () => {}, warn: () => {}, error: () => {} } });
});
afterAll(async () => {
  await llm.close();
  await stopProviders();
});

describe('the examples of docs/langchain.md', () => {
  it('explain, whole and as it comes', async () => {
    const { Explainer } = example('class Explainer') as unknown as {
      Explainer: Class<{ explain(what: string): Promise<object>; explainAsItComes(what: string): AsyncIterable<string> }>;
    };
    const explainer = new Explainer(llm);
    expect(await explainer.explain('ice')).toEqual({ text: 'It is cold.', tokens: 16 });
    const texts: string[] = [];
    for await (const text of explainer.explainAsItComes('ice')) texts.push(text);
    expect(texts.join('')).toBe('It is cold.');
  });

  it('call tools, and answer with objects', async () => {
    expect(await example('function ask').ask(llm, 'How is Oslo?')).toBe('It is cold.');
    expect(await example('function whoIs').whoIs(llm, 'The first programmer')).toEqual({ name: 'Ada', age: 36 });
  });

  it('embed chunks of at most 40 tokens', async () => {
    const text = 'The quick brown fox jumps over the lazy dog. '.repeat(20);
    const { chunks, vectors } = (await example('function embed').embed(llm, text)) as { chunks: string[]; vectors: number[][] };
    expect(Math.max(...chunks.map((chunk) => llm.tokenCounter.countTokens(chunk, 'text-embedding-3-small')))).toBeLessThanOrEqual(40);
    expect(vectors).toEqual(chunks.map((chunk) => [chunk.length]));
    expect(chunks.length).toBeGreaterThan(3);
  });

  it('summarize within a route', async () => {
    const { SummaryController } = example('class SummaryController') as unknown as {
      SummaryController: Class<{ summarize(text: string, request: object, response: undefined): Promise<string> }>;
    };
    expect(await new SummaryController(llm).summarize('Ice is cold.', { headers: {} }, undefined)).toBe('It is cold.');
  });
});
