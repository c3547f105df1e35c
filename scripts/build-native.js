'use strict';
// npm's `prepare`: builds the native addon, or logs in one line why it cannot. Fails an install
// only with NATIVE=required. NATIVE=skip does nothing. `--once`: does not repeat a build that
// failed with the same sources and compiler. NATIVE_PROFILE=quick compiles in half the time, for
// trying the package out; an addon of the full profile serves for both.

const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const { join, relative } = require('node:path');
const { root, capture } = require('./process.js');

const native = join(root, 'native');
const stampFile = join(native, 'target', 'addon-stamp.json');
const generated = ['index.js', 'index.d.ts'].map((name) => join(native, name));
const required = process.env.NATIVE === 'required';
const isQuick = process.env.NATIVE_PROFILE === 'quick';
const FETCH_TIMEOUT_MS = Number(process.env.NATIVE_FETCH_TIMEOUT_MS) || 120_000;

const FOR_FULL_SPEED = 'for full speed: npm run build:native';
const say = (line) => console.error(`native addon: ${line}`);
const addons = () => readdirSync(native).filter((name) => name.endsWith('.node'));

/** Of everything the addon is made from; the vocabularies come from `tiktoken`. */
function sourceHash() {
  const hash = createHash('sha256');
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        // The fuzz targets are no part of the addon.
        if (entry.name !== 'target' && path !== join(native, 'fuzz')) visit(path);
      } else if (!entry.name.endsWith('.node') && !generated.includes(path)) {
        hash.update(`${relative(native, path)}\0`).update(readFileSync(path));
      }
    }
  };
  visit(native);
  const { version, napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const vocabulary = join(root, 'node_modules', 'tiktoken', 'package.json');
  hash.update(JSON.stringify([version, napi.binaryName])).update(existsSync(vocabulary) ? readFileSync(vocabulary) : '');
  return hash.digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

/** The most specific line: the "error: …" of rustc or cargo, with cargo's innermost cause. */
function reasonIn(output) {
  const lines = output
    .replace(/\x1b\[[0-9;]*m/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const at = lines.findIndex((line) => /^error(\[\w+\])?:/.test(line));
  if (at < 0) return lines.at(-1) ?? 'it said nothing';
  const cause = lines.indexOf('Caused by:', at);
  return cause < 0 ? lines[at] : `${lines[at]} (${lines[lines.lastIndexOf('Caused by:') + 1]})`;
}

/** @returns {Promise<string | null>} why there is no addon, or null when there is one */
async function build() {
  // A separate fetch fails early without a registry; the compilation is then offline.
  const env = { CARGO_HTTP_TIMEOUT: '20', CARGO_NET_RETRY: '1', ...process.env, CARGO_TERM_COLOR: 'never' };
  const lock = existsSync(join(native, 'Cargo.lock')) ? ['--locked'] : [];
  const fetch = ['fetch', '--manifest-path', join(native, 'Cargo.toml'), ...lock];
  const fetched = await capture('cargo', fetch, { env, timeoutMs: FETCH_TIMEOUT_MS });
  if (fetched.timedOut) return `the crate registry did not answer within ${FETCH_TIMEOUT_MS / 1000} s`;
  if (fetched.code !== 0) return `the crates could not be fetched: ${reasonIn(fetched.output)}`;

  const cli = join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js');
  if (!existsSync(cli)) return '@napi-rs/cli is not installed';
  say(isQuick ? 'compiling, quick profile (up to a minute the first time)…' : 'compiling, full profile (a minute or two the first time)…');
  const napi = [
    'build',
    '--manifest-path',
    'native/binding/Cargo.toml',
    '--package-json-path',
    'package.json',
    '--output-dir',
    'native',
    '--platform',
    ...(isQuick ? ['--profile', 'quick'] : ['--release']),
  ];
  const built = await capture(process.execPath, [cli, ...napi], { env: { ...env, CARGO_NET_OFFLINE: 'true' } });
  if (built.code !== 0 && required) console.error(built.output);
  if (built.code !== 0) return `it does not compile here: ${reasonIn(built.output)}`;

  const opened = await capture(process.execPath, ['-e', `require(${JSON.stringify(native)})`]);
  return opened.code === 0 ? null : `it was built but does not load: ${/^(\w*Error: .*)$/m.exec(opened.output)?.[1] ?? 'no reason given'}`;
}

/** @returns {Promise<string | null>} as `build` */
async function buildOrRestore() {
  const before = generated.map((path) => (existsSync(path) ? readFileSync(path) : null));
  const reason = await build();
  if (reason !== null) {
    generated.forEach((path, i) => (before[i] === null ? rmSync(path, { force: true }) : writeFileSync(path, before[i])));
    // An addon of other sources must not answer for these.
    for (const name of addons()) rmSync(join(native, name));
  }
  return reason;
}

function giveUp(reason) {
  say(`not built, ${required ? 'and NATIVE=required' : 'the TypeScript engines will answer'}: ${reason}`);
  process.exitCode = required ? 1 : 0;
}

async function main() {
  // `scripts/run.js` builds it after the installation, at the same time as dist/.
  if (process.env.NATIVE === 'later') return;
  if (process.env.NATIVE === 'skip') return say('skipped (NATIVE=skip)');
  const hash = sourceHash();
  const stamp = readStamp();
  const compiler = await capture('rustc', ['-vV']);
  const cargo = await capture('cargo', ['--version']);
  const sameSources = stamp.hash === hash && (compiler.code !== 0 || stamp.compiler === compiler.output);
  const isBuilt = sameSources && stamp.reason === null && addons().length > 0;
  if (isBuilt && stamp.profile === 'full') return;
  if (isBuilt && isQuick) return say(`quick profile; ${FOR_FULL_SPEED}`);
  if (sameSources && stamp.reason && process.argv.includes('--once'))
    return giveUp(`${stamp.reason} (as before; "npm run build:native" tries again)`);
  if (cargo.code !== 0) {
    if (stamp.hash !== hash) for (const name of addons()) rmSync(join(native, name));
    return giveUp(cargo.missing ? 'cargo is not installed (https://rustup.rs)' : `cargo does not run: ${reasonIn(cargo.output)}`);
  }

  const startedMs = Date.now();
  const reason = await buildOrRestore();
  mkdirSync(join(native, 'target'), { recursive: true });
  writeFileSync(stampFile, JSON.stringify({ hash, compiler: compiler.output, reason, profile: isQuick ? 'quick' : 'full' }));
  const advice = isQuick ? ` with the quick profile; ${FOR_FULL_SPEED}` : '';
  if (reason === null) return say(`built in ${Math.round((Date.now() - startedMs) / 1000)} s${advice}`);
  giveUp(reason);
}

main();
