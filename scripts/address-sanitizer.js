'use strict';
// Build settings of `npm run sanitize` and `npm run fuzz`. RUSTC_BOOTSTRAP enables Rust's
// sanitizers, which are unstable, in the stable compiler.

const { capture } = require('./process.js');

const SANITIZE = '-Zsanitizer=address';

/**
 * The target and the environment of a build under AddressSanitizer.
 * @param {string[]} flags more of the compiler's flags
 * @returns {Promise<{ target: string, env: NodeJS.ProcessEnv } | { missing: string }>}
 */
async function addressSanitizer(flags = []) {
  const env = { ...process.env, RUSTC_BOOTSTRAP: '1' };
  const version = await capture('rustc', ['-vV'], { env });
  const target = /^host: (\S+)$/m.exec(version.output)?.[1];
  if (version.code !== 0 || target === undefined) return { missing: 'Rust is not installed: see https://rustup.rs' };
  const asked = await capture('rustc', [SANITIZE, '--target', target, '--print', 'cfg'], { env });
  if (!asked.output.includes('sanitize="address"')) {
    return {
      missing: `AddressSanitizer is not available for ${target} (${asked.output.trim().split('\n', 1)[0]}); use x86-64 Linux, for one`,
    };
  }
  return { target, env: { ...env, RUSTFLAGS: [process.env.RUSTFLAGS, SANITIZE, ...flags].filter(Boolean).join(' ') } };
}

/** Says that a check cannot run here: a failure in CI, where all have to, and a skip elsewhere. */
function sayMissing(name, missing) {
  const fails = Boolean(process.env.CI);
  console.log(`[${name}] ${fails ? 'FAILED' : 'skipped'}: ${missing}`);
  console.log(`0 passed, ${fails ? 1 : 0} failed`);
  process.exitCode = fails ? 1 : 0;
}

module.exports = { addressSanitizer, sayMissing };
