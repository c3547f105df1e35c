import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OWNER_ONLY, replaceFile } from './replace-file.js';

describe('replaceFile', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const write = (file: string, text: string) => replaceFile(file, OWNER_ONLY, (draft) => draft.writeFile(text));
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'replace-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes a file that only its owner can read, even over one that everyone can read', async () => {
    writeFileSync(at('a'), 'old', { mode: 0o644 });
    await write(at('a'), 'new');
    expect([readFileSync(at('a'), 'utf8'), statSync(at('a')).mode & 0o777]).toEqual(['new', OWNER_ONLY]);
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('replaces the target of a link, and never writes through a link in place of its temporary file', async () => {
    writeFileSync(at('real'), 'old');
    writeFileSync(at('other'), 'mine');
    symlinkSync(at('real'), at('link'));
    symlinkSync(at('other'), at(`real.${process.pid}.tmp`));
    await write(at('link'), 'new');
    expect([lstatSync(at('link')).isSymbolicLink(), readFileSync(at('real'), 'utf8')]).toEqual([true, 'new']);
    expect(readFileSync(at('other'), 'utf8')).toBe('mine');
  });

  it('leaves the former file and no temporary file when writing fails', async () => {
    writeFileSync(at('a'), 'old');
    const failed = replaceFile(at('a'), OWNER_ONLY, () => Promise.reject(new Error('no space left')));
    await expect(failed).rejects.toThrow('no space left');
    expect([readFileSync(at('a'), 'utf8'), readdirSync(folder)]).toEqual(['old', ['a']]);
    await expect(write(at('none/a'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(existsSync(at('none'))).toBe(false);
  });
});
