import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../test/support/until.js';
import { OWNER_ONLY } from './replace-file.js';
import { readStateFile, StateFile } from './state-file.js';

describe('StateFile', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'state-file-'));
    file = join(folder, 'state.json');
    failures = [];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = (state: { isDirty: boolean }, parts: () => Iterable<string>, everyMs = 60_000): StateFile =>
    new StateFile(state, { file, mode: OWNER_ONLY, everyMs, parts, onFailure: (reason) => void failures.push(reason) });
  let failures: string[];

  it('writes changes, readable only by the owner, and leaves no temporary file', async () => {
    const state = { isDirty: false };
    const kept = open(state, () => ['{"a":', '1}']);
    await kept.save();
    expect(existsSync(file)).toBe(false);
    state.isDirty = true;
    await kept.close();
    expect(readFileSync(file, 'utf8')).toBe('{"a":1}');
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(state.isDirty).toBe(false);
    expect(readdirSync(folder)).toEqual(['state.json']);
  });

  it('writes changes made during a write when it is closed', async () => {
    const state = { isDirty: true };
    let content = 'first';
    const kept = open(state, function* () {
      yield content;
      yield '!';
    });
    void kept.save();
    content = 'second';
    state.isDirty = true;
    await kept.close();
    expect(readFileSync(file, 'utf8')).toBe('second!');
  });

  it('writes by its timer, which does not keep the process', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const kept = open({ isDirty: true }, () => ['kept'], 5);
    expect(timers()).toBe(before);
    await until(() => existsSync(file));
    await kept.close();
  });

  it('keeps the last whole file when a write fails, says why, and tries again', async () => {
    writeFileSync(file, 'whole');
    const state = { isDirty: true };
    const kept = open(state, function* () {
      yield 'half';
      throw new Error('it broke');
    });
    await kept.save();
    expect(kept.failure).toBe('it broke');
    expect(state.isDirty).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('whole');
    expect(readdirSync(folder)).toEqual(['state.json']);
    await kept.close();
    const mended = open(state, () => ['mended']);
    await mended.save();
    expect([mended.failure, readFileSync(file, 'utf8')]).toEqual([undefined, 'mended']);
    await mended.close();
  });

  it('says at the start that its folder is missing, once, and writes when it is there', async () => {
    file = join(folder, 'later', 'state.json');
    const state = { isDirty: true };
    const kept = open(state, () => ['kept']);
    await kept.save();
    expect(failures).toEqual([expect.stringContaining('ENOENT')]);
    mkdirSync(join(folder, 'later'));
    await kept.close();
    expect([kept.failure, readFileSync(file, 'utf8')]).toEqual([undefined, 'kept']);
  });

  it('does not report a link whose own folder exists', async () => {
    mkdirSync(join(folder, 'behind'));
    writeFileSync(join(folder, 'behind', 'state.json'), 'former');
    symlinkSync(join(folder, 'behind', 'state.json'), file);
    await open({ isDirty: true }, () => ['kept']).close();
    expect([failures, readFileSync(join(folder, 'behind', 'state.json'), 'utf8')]).toEqual([[], 'kept']);
  });

  it('distinguishes a missing file from an unreadable one', () => {
    expect(readStateFile(file, 'a.file')).toBeUndefined();
    mkdirSync(file);
    expect(() => readStateFile(file, 'a.file')).toThrow(
      expect.objectContaining({ name: 'InvalidConfigurationError', path: 'a.file', message: expect.stringContaining('cannot be read') }),
    );
  });
});
