import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { transformSync } from '@swc/core';
import { usedEngine } from '../support/engine-names.js';
import { readSources, root } from './sources.js';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- JavaScript
const { rewriteImports } = require('../../scripts/late-imports.js') as { rewriteImports: (lib: string) => void };
// eslint-disable-next-line @typescript-eslint/no-require-imports -- JavaScript
const swcOptions = require('../support/swc-options.js') as object;

/**
 * Files of each room that an app loads until it listens, if it sets no option, with the addon. Each
 * takes about 0.3 ms of the start: raise a figure only for what every app needs.
 */
const MOST_FILES: Readonly<Record<string, number>> = {
  '.': 8,
  acceleration: 3,
  calls: 10,
  common: 17,
  // The class that modules inject.
  configuration: 1,
  'connection-pool': 17,
  engine: 6,
  'feature-flags': 4,
  health: 3,
  http: 4,
  'json-body': 7,
  monitor: 5,
  queue: 1,
  'rate-limit': 28,
  // Three for the versions of its configuration.
  router: 32,
  'token-counter': 19,
};

interface Start {
  readonly rooms: Readonly<Record<string, number>>;
  readonly later: number;
  readonly answer: number;
}

const itWithAddon = usedEngine() === 'native' ? it : it.skip;

describe('the start of a compiled app', () => {
  let folder: string;
  let start: Start;

  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'start-files-')));
    for (const [path, text] of readSources(['lib'], /(?<!\.test)\.ts$/)) {
      const target = join(folder, path).replace(/\.ts$/, '.js');
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, transformSync(text, { ...swcOptions, swcrc: false }).code);
    }
    rewriteImports(join(folder, 'lib'));
    copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
    for (const linked of ['node_modules', 'native']) symlinkSync(join(root, linked), join(folder, linked), 'junction');
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'test', 'support', 'start-files.child.js'), folder]);
    start = JSON.parse(stdout) as Start;
  }, 240_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  itWithAddon('loads few files until it listens', () => {
    const more = Object.entries(start.rooms).filter(([room, files]) => files > (MOST_FILES[room] ?? 0));
    expect(more).toEqual([]);
  });

  it('loads the rest once it listens', () => {
    expect(start.later).toBeGreaterThan(100);
    expect(start.answer).toBe(8);
  });
});
