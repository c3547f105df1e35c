import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describePublicApi } from './public-api.js';
import { root } from './sources.js';
import { isLong } from '../support/long.js';

const RECORD = join(root, 'test', 'fixtures', 'public-api.txt');

// To accept a change: `UPDATE_PUBLIC_API=1 npm test -- test/project/public-api`, and CHANGELOG.md.
const isWanted = isLong || process.env.UPDATE_PUBLIC_API === '1';

(isWanted ? it : it.skip)('exports the names and shapes that test/fixtures/public-api.txt records', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object };
  const entries = Object.keys(exports).filter((entry) => entry !== '.' && entry !== './package.json');
  const api = describePublicApi(['lib/index.ts', ...entries.map((entry) => `lib/${entry.slice('./'.length)}.ts`)]);
  if (process.env.UPDATE_PUBLIC_API === '1') writeFileSync(RECORD, api);
  expect(api.split('\n')).toEqual(readFileSync(RECORD, 'utf8').split('\n'));
});
