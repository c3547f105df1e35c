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
  expect([spill.rows, spill.bytes]).toEqual([1, row(4).length + 1]);
  const rest = await spill.next(10);
  expect(rest?.rows).toEqual([row(4)]);
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
  expect((await spill.next(10))?.rows).toEqual([row(2)]);
});

it('takes over nothing but regular files', async () => {
  mkdirSync(abandoned('00000001'));
  symlinkSync('/dev/zero', abandoned('00000002'));
  writeFileSync(abandoned('00000003'), `${row(1)}\n`);
  const spill = new SpillFiles(join(folder, 'spend'), 1e6);
  expect(await spill.adopt()).toBe(1);
  expect((await spill.next(10))?.rows).toEqual([row(1)]);
});
