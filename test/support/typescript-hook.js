'use strict';
// For processes that a test starts with `node --require test/support/typescript-hook.js FILE.ts`: loads the sources as they are, as Jest does, and the package by its
// name from lib/, not from an older dist/.

const { existsSync, readFileSync } = require('node:fs');
const Module = require('node:module');
const { dirname, resolve } = require('node:path');
const { transformSync } = require('@swc/core');
const swcOptions = require('./swc-options.js');

const library = { 'nestjs-fast-litellm': 'lib/index.ts', 'nestjs-fast-litellm/register': 'lib/register.ts' };

const find = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  if (Object.hasOwn(library, request)) return resolve(__dirname, '..', '..', library[request]);
  if (parent?.filename?.endsWith('.ts') && /^\..*\.js$/.test(request)) {
    const source = resolve(dirname(parent.filename), request.replace(/\.js$/, '.ts'));
    if (existsSync(source)) return source;
  }
  return find.call(this, request, parent, ...rest);
};

Module._extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    swcrc: false,
    ...swcOptions,
    sourceMaps: 'inline',
  });
  module._compile(code, filename);
};
