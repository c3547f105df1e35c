import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpillFiles } from './spill-files.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'fl-spill-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const HOST = hostname()
  .replace(/[^\w-]/g, '-')
  .slice(0, 64);
/** A name of a process that is gone: no Linux has so many. */
const abandoned = (random: string): string => join(folder, `spend.${HOST}.999999999.${random}`);
const row = (id: number): string => `{"id":"${id}"}`;

it('goes on after another process has taken over a file that was sent in part', async () => {
  const spill = new SpillFiles(join(folder, 'spend'), 1e6);
  await spill.append([row(1), row(2), row(3)]);
  await (await spill.next(2))?.done();
  renameSync(join(folder, readdirSync(folder)[0]), join(folder, 'taken'));

  await spill.append([row(4)]);
  expect([spill.lines, spill.bytes]).toEqual([1, row(4).length + 1]);
  const rest = await spill.next(10);
  expect(rest?.lines).toEqual([row(4)]);
  await rest?.done();
  expect(spill.isEmpty).toBe(true);
});

it('sends a row that the former owner appends while its file is taken over', async () => {
  const [former, spill] = [abandoned('0a0b0c0d'), new SpillFiles(join(folder, 'spend'), 1e6)];
  writeFileSync(former, `${row(1)}\n`);
  expect(await spill.adopt()).toBe(1);
  const first = await spill.next(10);
  writeFileSync(join(folder, readdirSync(folder)[0]), `${row(2)}\n`, { flag: 'a' });
  await first?.done();
  expect((await spill.next(10))?.lines).toEqual([row(2)]);
});

it('takes over nothing but regular files', async () => {
  mkdirSync(abandoned('00000001'));
  symlinkSync('/dev/zero', abandoned('00000002'));
  writeFileSync(abandoned('00000003'), `${row(1)}\n`);
  const spill = new SpillFiles(join(folder, 'spend'), 1e6);
  expect(await spill.adopt()).toBe(1);
  expect((await spill.next(10))?.lines).toEqual([row(1)]);
});

it('skips what a killed process has written in part, even if that ends with a brace, and counts it', async () => {
  const cut = '{"id":"2","usage":{"prompt":1}';
  writeFileSync(abandoned('00000001'), `${row(1)}\n${cut}\n\n${row(3)}\n${row(4)}\n${cut}`);
  const spill = new SpillFiles(join(folder, 'spend'), 1e6);
  await spill.adopt();
  const first = await spill.next(10);
  expect(first?.lines).toEqual([row(1), row(3), row(4)]);
  expect(await first?.done(1)).toBe(0);
  const rest = await spill.next(10);
  expect(rest?.lines).toEqual([row(3), row(4)]);
  expect(await rest?.done()).toBe(2);
  expect([spill.lines, spill.isEmpty, readdirSync(folder)]).toEqual([0, true, []]);
});

it('leaves to the next process the lines that are not done, in their order', async () => {
  const first = new SpillFiles(join(folder, 'spend'), 1e8);
  const wide = (id: number): string => JSON.stringify({ id: String(id), text: 'é'.repeat(1_500_000) });
  for (const id of [1, 2, 3, 4, 5]) await first.append([wide(id), row(id)]);
  expect(readdirSync(folder).length).toBeGreaterThan(1);
  await (await first.next(1))?.done();
  await first.close();
  const second = new SpillFiles(join(folder, 'spend'), 1e8);
  await second.adopt();
  const ids: string[] = [];
  for (let batch = await second.next(3); batch !== undefined; batch = await second.next(3)) {
    ids.push(...batch.lines.map((line) => (JSON.parse(line) as { id: string }).id));
    await batch.done();
  }
  expect(ids.join()).toBe('1,2,2,3,3,4,4,5,5');
  expect(readdirSync(folder)).toEqual([]);
});

it('reads no more than the given characters at once, but at least one line', async () => {
  const spill = new SpillFiles(join(folder, 'spend'), 1e6);
  await spill.append([1, 2, 3, 4].map(row));
  expect((await spill.next(10, 1))?.lines).toEqual([row(1)]);
  expect((await spill.next(10, row(1).length * 3))?.lines).toEqual([1, 2, 3].map(row));
});

it('accepts no more lines than its limit allows, those it has taken over included', async () => {
  writeFileSync(abandoned('00000001'), `${row(1)}\n`);
  const spill = new SpillFiles(join(folder, 'spend'), 3 * (row(1).length + 1));
  await spill.adopt();
  expect(await spill.append([2, 3, 4].map(row))).toBe(2);
  await (await spill.next(1))?.done();
  expect(await spill.append([row(4)])).toBe(1);
});

describe('on a full disk', () => {
  const PAGE_BYTES = 4096;
  let isMounted = false;

  beforeEach(() => {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
      isMounted = true;
    } catch {
      console.warn('Skipped: only root can mount a small file system.');
    }
  });

  afterEach(() => {
    if (isMounted) execFileSync('umount', [folder]);
    isMounted = false;
  });

  it('rejects rows, keeps those written before, and takes the same rows once there is space', async () => {
    if (!isMounted) return;
    const spill = new SpillFiles(join(folder, 'spend'), 1e6);
    const wide = (id: number): string => `{"id":"${id}","text":"${'x'.repeat(1_000)}"}`;
    const second = [2, 3, 4, 5].map(wide);
    // The file keeps the rest of its page: some rows of the second batch fit, and a part of one.
    await spill.append([wide(1)]);
    writeFileSync(join(folder, 'other'), Buffer.alloc(64 * 1024 - PAGE_BYTES * 2), { flag: 'a' });
    fillUp(join(folder, 'rest'));

    await expect(spill.append(second)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect([spill.lines, spill.bytes]).toEqual([1, wide(1).length + 1]);

    rmSync(join(folder, 'other'));
    expect(await spill.append(second)).toBe(4);
    const sent = (await spill.next(100))?.lines ?? [];
    // Without the rows that fitted the first time.
    expect(sent).toEqual([wide(1), ...second]);
  });
});

/** Writes until the file system has no page left. */
function fillUp(path: string): void {
  for (;;) {
    try {
      writeFileSync(path, Buffer.alloc(1024), { flag: 'a' });
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
      return;
    }
  }
}
