'use strict';
// `npm run build:dist`: compiles lib/ and the sample to dist/.

const { join } = require('node:path');
const { rewriteImports } = require('./late-imports.js');
const { root, run } = require('./process.js');

const NEST = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');

async function main() {
  process.exitCode = await run(process.execPath, [NEST, 'build', 'sample-app']);
  if (process.exitCode === 0) rewriteImports(join(root, 'dist', 'lib'));
}

main();
