import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
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

(process.platform === 'win32' ? describe.skip : describe)('a pipe that is full', () => {
  // A pipe of Linux holds 64 KB.
  const text = 'a line\n'.repeat(40_000);
  let pipe: string;
  beforeEach(() => {
    pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
  });

  it('gets the whole text once, as fast as it is read', async () => {
    const reader = await open(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    const written = appendToFile(pipe, text);
    const received: Buffer[] = [];
    for (let length = 0; length < text.length;) {
      const { buffer, bytesRead } = await reader.read(Buffer.alloc(1 << 16)).catch(() => ({ buffer: Buffer.alloc(0), bytesRead: 0 }));
      received.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
      await setTimeout(2);
    }
    await written;
    expect(Buffer.concat(received).toString() === text).toBe(true);
    await reader.close();
  });

  it('rejects when its reader reads no more', async () => {
    const reader = await open(pipe, 'r+');
    await expect(appendToFile(pipe, text)).rejects.toMatchObject({ code: 'EAGAIN' });
    await reader.close();
  });
});
