'use strict';
// For `node --require test/support/typescript-hook.js FILE.ts`: loads the sources as Jest does, and
// the package by its name from lib/, not from an older dist/.

const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { dirname, join, resolve } = require('node:path');
const { threadId } = require('node:worker_threads');
const findSource = require('./find-source.js');
const swcOptions = require('./swc-options.js');

const root = resolve(__dirname, '..', '..');
const cache = join(root, 'node_modules', '.cache', 'typescript-hook');
const salt = JSON.stringify([swcOptions, require('@swc/core/package.json').version]);

const find = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const folder = parent?.filename?.endsWith('.ts') ? dirname(parent.filename) : undefined;
  return findSource(request, folder) ?? find.call(this, request, parent, ...rest);
};

/** Kept in a file: the tests start a hundred threads and processes, and each loads most of lib/. */
function transformed(filename) {
  const source = readFileSync(filename, 'utf8');
  const kept = join(cache, createHash('sha1').update(salt).update(filename).update(source).digest('hex'));
  if (existsSync(kept)) return readFileSync(kept, 'utf8');
  // Loaded where it is needed alone: it is large.
  const { code } = require('@swc/core').transformSync(source, { filename, swcrc: false, ...swcOptions });
  mkdirSync(cache, { recursive: true });
  // In one step, as others may read it.
  const written = `${kept}.${process.pid}.${threadId}`;
  writeFileSync(written, code);
  renameSync(written, kept);
  return code;
}

Module._extensions['.ts'] = (module, filename) => {
  module._compile(transformed(filename), filename);
};
