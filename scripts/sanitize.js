'use strict';
// `npm run sanitize`: the core's tests under AddressSanitizer and LeakSanitizer. Arguments go to
// the test program: `npm run sanitize -- router`.

const { addressSanitizer, sayMissing } = require('./address-sanitizer.js');
const { capture, root } = require('./process.js');

async function main(args) {
  const built = await addressSanitizer();
  if ('missing' in built) return sayMissing('sanitize', built.missing);
  const cargo = ['test', '--manifest-path', 'native/Cargo.toml', '-p', 'fast-litellm-core', '--lib'];
  console.error('[sanitize] the tests of native/core under AddressSanitizer, about two minutes…');
  const { code, output } = await capture('cargo', [...cargo, '--target', built.target, '--', ...args], {
    env: built.env,
  });
  const [, passed = 0, failed = 0] = (/^test result: \w+\. (\d+) passed; (\d+) failed/m.exec(output) ?? []).map(Number);
  if (code !== 0) console.log(output);
  // It did not compile, or it was ended by an error of memory before its own count.
  const failures = code === 0 ? failed : Math.max(failed, 1);
  console.log(`${passed} passed, ${failures} failed`);
  process.exitCode = failures > 0 ? 1 : 0;
}

process.chdir(root);
main(process.argv.slice(2));
