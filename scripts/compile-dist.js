'use strict';
// `npm run build:dist`: compiles lib/ and the sample to dist/. `--unchecked`: without a check of
// types, for `npm start` and for CI, which checks all sources at once.

const { chmodSync, existsSync } = require('node:fs');
const { join } = require('node:path');
const { rewriteImports } = require('./late-imports.js');
const { root, run } = require('./process.js');

const NEST = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');

async function main() {
  const settings = process.argv.includes('--unchecked') ? ['--path', 'tsconfig.emit.json'] : [];
  process.exitCode = await run(process.execPath, [NEST, 'build', 'sample-app', ...settings]);
  if (process.exitCode !== 0) return;
  rewriteImports(join(root, 'dist', 'lib'));
  // In the clone, npx runs the compiled file itself.
  const command = join(root, 'dist', 'lib', 'cli', 'main.js');
  if (existsSync(command)) chmodSync(command, 0o755);
}

main();
