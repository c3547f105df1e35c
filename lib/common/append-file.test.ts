import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appendToFile } from './append-file.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'append-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it('appends to a file, which it makes with the mode', async () => {
  const file = join(folder, 'lines');
  await appendToFile(file, 'one\n', 0o600);
  await appendToFile(file, 'two\n');
  expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
});

(process.platform === 'win32' ? it.skip : it)('writes to a pipe that is read, and blocks no thread while it is not', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // More than there are threads.
  const refused = await Promise.allSettled(Array.from({ length: 8 }, () => appendToFile(pipe, 'lost\n')));
  expect(refused.map((each) => (each.status === 'rejected' ? (each.reason as NodeJS.ErrnoException).code : each.status))).toEqual(
    Array<string>(8).fill('ENXIO'),
  );
  const reader = await open(pipe, 'r+');
  await appendToFile(pipe, 'read\n');
  const { buffer, bytesRead } = await reader.read(Buffer.alloc(100));
  expect(buffer.toString('utf8', 0, bytesRead)).toBe('read\n');
  await reader.close();
});
