import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const hook = join(__dirname, '../../test/support/typescript-hook.js');
const main = join(__dirname, 'main.ts');

describe('the program', () => {
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
});
