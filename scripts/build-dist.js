'use strict';
// The second half of npm's `prepare`: compiles a missing dist/ if the compiler is installed, as for
// an install from git. Not with DIST=skip.

const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { root, run } = require('./process.js');

async function main() {
  const nest = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  if (process.env.DIST === 'skip' || existsSync(join(root, 'dist', 'lib', 'index.js')) || !existsSync(nest)) return;
  console.error('compiling to dist/…');
  process.exitCode = await run(process.execPath, [join(__dirname, 'compile-dist.js')]);
}

main();
