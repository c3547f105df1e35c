'use strict';
// Rewrites the imports in dist/lib so that a file is loaded when one of its exports is first read:
// most of the time of a start is loading files that it does not use. See docs/design/start.md.

const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { dirname, join, relative, sep } = require('node:path');

/** An import of a file of this package, as the compiler writes it. */
const IMPORT = /^(?:const|var) (\w+) = require\("(\.{1,2}\/[^"]+)"\);$/gm;

const RUNTIME = join('common', 'deferred-imports.js');
/** A decision of the limiter takes some 400 ns: a variable that can change would be seen in it. */
const UNCHANGED = [RUNTIME, `rate-limit${sep}`];

/** @param {string} lib a folder with the compiled `lib/` */
function rewriteImports(lib) {
  for (const path of readdirSync(lib, { recursive: true })) {
    if (!path.endsWith('.js') || UNCHANGED.some((start) => path.startsWith(start))) continue;
    const file = join(lib, path);
    const text = readFileSync(file, 'utf8');
    const rewritten = withLateImports(text, runtimeFrom(path));
    if (rewritten !== text) writeFileSync(file, rewritten);
  }
}

/** Keeps each statement on its line, for source maps. */
function withLateImports(text, runtime) {
  let prefix = `const { lateImport } = require('${runtime}'); `;
  return text.replace(IMPORT, (_, name, path) => {
    const line = `${prefix}var ${name} = lateImport(() => (${name} = require("${path}")));`;
    prefix = '';
    return line;
  });
}

function runtimeFrom(path) {
  const found = relative(dirname(path), RUNTIME).split(sep).join('/');
  return found.startsWith('.') ? found : `./${found}`;
}

module.exports = { rewriteImports };
