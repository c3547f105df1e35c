import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM } from '../../fast-litellm.js';
import { runCommand } from '../../../test/support/command-run.js';

const folder = mkdtempSync(join(tmpdir(), 'prices-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const write = (name: string, content: unknown): string => {
  writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  return at(name);
};
const entries = (count: number, cost = 1e-6): Record<string, object> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `model-${i}`,
      {
        litellm_provider: 'openai',
        input_cost_per_token: cost,
        output_cost_per_token: cost,
        max_input_tokens: 1000 + i,
        max_output_tokens: 500,
      },
    ]),
  );

describe('prices', () => {
  it('writes a file that gives prices and limits', async () => {
    const to = at('new.json');
    const { code, out } = await runCommand(['prices', '--from', write('a.json', entries(150)), '--to', to]);
    expect({ code, out }).toEqual({ code: 0, out: `wrote ${to} (150 models)\n` });
    const { tokenCounter } = new FastLiteLLM({ tokenCounter: { pricing: { source: to } }, logger: { log() {}, warn() {}, error() {} } });
    expect(tokenCounter.getModelLimits('model-7')).toEqual({
      contextWindow: 1007,
      maxOutputTokens: 500,
      sources: { contextWindow: to, maxOutputTokens: to },
    });
    expect(tokenCounter.getModelPrice('model-7')).toMatchObject({ inputPerMillion: 1, source: to });
  });

  it('downloads it, also in the format of models.dev', async () => {
    const models = Object.fromEntries(
      Object.keys(entries(120)).map((id) => [id, { cost: { input: 1, output: 2 }, limit: { context: 9, output: 5 } }]),
    );
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/api.json' ? 200 : 404;
      response.end(JSON.stringify({ openai: { models } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const to = at('downloaded.json');
    expect(await runCommand(['prices', '--from', `${address}/api.json`, '--to', to])).toMatchObject({
      code: 0,
      out: `wrote ${to} (120 models)\n`,
    });
    expect(await runCommand(['prices', '--from', `${address}/other`, '--to', to])).toMatchObject({
      code: 1,
      err: expect.stringContaining('status 404'),
    });
    await new Promise((resolve) => server.close(resolve));
    expect(await runCommand(['prices', '--from', `${address}/api.json`])).toMatchObject({
      code: 1,
      err: expect.stringContaining('(fetch failed: '),
    });
  });

  it('says what changed, and writes nothing in a dry run', async () => {
    const to = write('current.json', entries(150));
    const rest = Object.fromEntries(Object.entries(entries(151)).slice(1));
    const from = write('next.json', { ...rest, 'model-1': { ...entries(2)['model-1'], input_cost_per_token: 2e-6 } });
    const dry = await runCommand(['prices', '-n', '--json', '--from', from, '--to', to]);
    expect(dry.code).toBe(1);
    expect(JSON.parse(dry.out)).toEqual({
      file: to,
      written: false,
      models: 150,
      added: ['model-150'],
      removed: ['model-0'],
      changed: ['model-1'],
    });
    expect(readFileSync(to, 'utf8')).toBe(JSON.stringify(entries(150)));
    const { out } = await runCommand(['prices', '--from', from, '--to', to]);
    expect(out).toBe(`wrote ${to} (150 models)\n  added: model-150\n  removed: model-0\n  changed: model-1\n`);
    expect(await runCommand(['prices', '-n', '--from', from, '--to', to])).toMatchObject({
      code: 0,
      out: `${to} is up to date (150 models)\n`,
    });
  });

  it.each([
    ['no JSON', '<html>', 'must be valid JSON'],
    [
      'a wrong price',
      { ...entries(200), bad: { input_cost_per_token: 'free' } },
      'bad.input_cost_per_token: must be a number of at least 0',
    ],
    ['too few models', entries(99), 'must have at least 100 models, got 99'],
    ['a loss of models', entries(110), 'must contain at least four fifths'],
  ])('keeps the old file rather than one with %s', async (_name, content, message) => {
    const to = write('kept.json', entries(150));
    const { code, err } = await runCommand(['prices', '--from', write('bad.json', content), '--to', to]);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(readFileSync(to, 'utf8')).toBe(JSON.stringify(entries(150)));
  });

  it.each([
    [
      'http://person:hidden@127.0.0.1:1/prices.json',
      2,
      "--from: must be a URL without a user name or password, got 'http://***@127.0.0.1:1/prices.json'",
    ],
    ['http://', 2, "--from: must be litellm, models.dev, a URL or a file, got 'http://'"],
    ['http://127.0.0.1:1/prices.json?token=hidden', 1, 'http://127.0.0.1:1/prices.json?***'],
  ])('refuses %s without showing its secrets', async (from, code, message) => {
    const refused = await runCommand(['prices', '--from', from, '--to', at('none.json')]);
    expect(refused).toMatchObject({ code, out: '', err: expect.stringContaining(message) });
    expect(refused.err).not.toContain('hidden');
  });

  it('says why it cannot write, and leaves nothing behind', async () => {
    const to = at('missing/prices.json');
    const from = write('good.json', entries(150));
    expect(await runCommand(['prices', '--from', from, '--to', to])).toMatchObject({
      code: 1,
      err: expect.stringContaining('.json (ENOENT'),
    });
    expect(await runCommand(['prices', '--from', from, '--to', folder])).toMatchObject({ code: 1 });
    expect(existsSync(to)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
