'use strict';

const { existsSync } = require('node:fs');
const { resolve } = require('node:path');

const lib = resolve(__dirname, '..', '..', 'lib');

/**
 * The source that is imported as `request`: the package by its name, or from a source in `folder`
 * `./x.js`, its name once it is compiled. Undefined if it is neither.
 */
module.exports = function findSource(request, folder) {
  const own = /^nestjs-fast-litellm(?:\/([a-z-]+))?$/.exec(request);
  if (own !== null) return resolve(lib, `${own[1] ?? 'index'}.ts`);
  if (folder === undefined || !/^\.{1,2}\/.*\.js$/.test(request)) return undefined;
  const source = resolve(folder, request.replace(/\.js$/, '.ts'));
  return existsSync(source) ? source : undefined;
};
