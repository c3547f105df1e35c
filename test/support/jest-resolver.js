'use strict';
// A resolver and not `moduleNameMapper`: what it finds, Jest remembers for the next suites.

const { sep } = require('node:path');
const findSource = require('./find-source.js');

module.exports = (request, options) => {
  const folder = options.basedir.includes(`${sep}node_modules${sep}`) ? undefined : options.basedir;
  return findSource(request, folder) ?? options.defaultResolver(request, options);
};
