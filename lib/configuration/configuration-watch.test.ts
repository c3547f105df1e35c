import { appendFileSync, mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, until } from '../../test/support/until.js';
import { ConfigurationWatch } from './configuration-watch.js';
import type { ConfigurationCause } from './configuration-version.js';

const folder = mkdtempSync(join(tmpdir(), 'watch-'));
const open: ConfigurationWatch[] = [];
let folders = 0;

/** A watched file in a folder of its own, and the reloads that it caused. */
function watched(content = '{}', name = 'config.yaml'): { dir: string; path: string; reloads: ConfigurationCause[]; lines: string[] } {
  const dir = join(folder, String(++folders));
  mkdirSync(dir);
  const path = join(dir, name);
  writeFileSync(path, content);
  return { dir, path, ...watching(path) };
}

function watching(path: string): { reloads: ConfigurationCause[]; lines: string[] } {
  const reloads: ConfigurationCause[] = [];
  const lines: string[] = [];
  const add = (line: string): void => void lines.push(line);
  const reload = async (cause: ConfigurationCause): Promise<void> => void reloads.push(cause);
  open.push(new ConfigurationWatch(path, { reload, log: { log: add, warn: add, error: add } }));
  return { reloads, lines };
}

afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('a watched file', () => {
  it('is read again after a write, and after it is replaced', async () => {
    const { dir, path, reloads } = watched();
    writeFileSync(path, '{ "a": 1 }');
    await until(() => reloads.length === 1);
    writeFileSync(join(dir, 'draft'), '{ "a": 2 }');
    renameSync(join(dir, 'draft'), path);
    await until(() => reloads.length === 2);
    expect(reloads).toEqual(['watch', 'watch']);
  });

  it('is read once it stays the same, not while it is written', async () => {
    const { path, reloads } = watched();
    for (let part = 0; part < 10; part++) {
      appendFileSync(path, `\npart${part}: 1`);
      await sleep(20);
    }
    const during = reloads.length;
    await until(() => reloads.length > during);
    await sleep(250);
    expect(reloads.length - during).toBe(1);
  });

  it('is not read again after other files in its folder change', async () => {
    const { dir, reloads } = watched();
    writeFileSync(join(dir, 'other'), 'text');
    await sleep(300);
    expect(reloads).toEqual([]);
  });

  it('is read again when Kubernetes swaps the link to its folder', async () => {
    const dir = join(folder, String(++folders));
    for (const version of ['..2026_1', '..2026_2']) {
      mkdirSync(join(dir, version), { recursive: true });
      writeFileSync(join(dir, version, 'config.yaml'), 'same: 1');
    }
    symlinkSync('..2026_1', join(dir, '..data'));
    symlinkSync(join('..data', 'config.yaml'), join(dir, 'config.yaml'));
    const { reloads } = watching(join(dir, 'config.yaml'));
    symlinkSync('..2026_2', join(dir, '..data_tmp'));
    renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
    await until(() => reloads.length === 1);
    expect(readlinkSync(join(dir, '..data'))).toBe('..2026_2');
  });

  it('is read again when a file changes that it includes', async () => {
    const dir = join(folder, String(++folders));
    mkdirSync(join(dir, 'parts'), { recursive: true });
    writeFileSync(join(dir, 'parts', 'models.yaml'), 'model_list: []');
    writeFileSync(join(dir, 'config.yaml'), 'include: [parts/models.yaml]');
    const { reloads } = watching(join(dir, 'config.yaml'));
    // No event of the watched folder: the comparison every two seconds finds it.
    writeFileSync(join(dir, 'parts', 'models.yaml'), 'model_list: [{}]');
    await until(() => reloads.length === 1);
    expect(reloads).toEqual(['watch']);
  });

  it('is reported as missing, and read when it is back', async () => {
    const { path, reloads } = watched();
    rmSync(path);
    await until(() => reloads.length === 1);
    writeFileSync(path, '{}');
    await until(() => reloads.length === 2);
    expect(reloads).toEqual(['watch', 'watch']);
  });

  it('is read again on SIGHUP, until the watch is closed', () => {
    const { reloads } = watched();
    process.emit('SIGHUP', 'SIGHUP');
    expect(reloads).toEqual(['signal']);
    open[0].close();
    expect(process.listenerCount('SIGHUP')).toBe(0);
  });
});
