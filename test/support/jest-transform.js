'use strict';
// swc, with a cache for all runs: the key of @swc/jest contains the whole configuration of Jest, so
// that another time-out or list of suites would compile every file again.

const { createTransformer } = require('@swc/jest');

module.exports = {
  createTransformer(swcOptions) {
    const swc = createTransformer(swcOptions);
    const getCacheKey = (source, path, options) => swc.getCacheKey(source, path, { ...options, configString: '' });
    return { ...swc, getCacheKey };
  },
};
