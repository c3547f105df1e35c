'use strict';
// `npm run fuzz`: each target of native/fuzz on its corpus, then on new inputs for 15 seconds; with
// LONG=1 10 minutes. `npm run fuzz -- tokens 60`: one target for a minute. `--build` builds only;
// `--minimize` keeps the fewest inputs with the same coverage.

const { mkdirSync, readdirSync, renameSync, rmSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { join } = require('node:path');
const { addressSanitizer, sayMissing } = require('./address-sanitizer.js');
const { capture, root } = require('./process.js');

const FOLDER = 'native/fuzz';
const BUILT = 'native/target/fuzz';
const SECONDS = process.env.LONG ? 600 : 15;
const HEADROOM_SECONDS = 120;
const profileFor = (seconds) => (seconds < 15 ? 'smoke' : 'release');
/** As cargo-fuzz has them: counters of the ways through the code, and of what is compared. */
const COVERAGE = [
  '--cfg=fuzzing',
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
];
/** An input that takes seconds is a finding, as is one that takes gigabytes. */
const LIMITS = ['-timeout=10', '-rss_limit_mb=3072', '-malloc_limit_mb=1024'];
/** Only long texts show quadratic time; histories are long enough by their steps. */
const LONGEST = { tokens: 1 << 16, long_text: 1 << 16, token_ids: 1 << 14 };
const LONGEST_OTHERS = 1 << 13;
const LONGEST_KEPT = 512;

function targets() {
  return readdirSync(join(FOLDER, 'targets')).map((file) => file.replace('.rs', ''));
}

async function build({ target, env }, profile) {
  console.error('[fuzz] building the targets, two minutes the first time…');
  const cargo = [
    'build',
    '--profile',
    profile,
    '--manifest-path',
    `${FOLDER}/Cargo.toml`,
    '--bins',
    '--target',
    target,
    '--target-dir',
    BUILT,
  ];
  const { code, output } = await capture('cargo', cargo, { env });
  if (code !== 0) console.log(output);
  return code === 0;
}

/** The corpora of a target: what is found here, and what is kept in the repository. */
function corporaOf(name) {
  const [found, kept] = [join(BUILT, 'corpus', name), join(FOLDER, 'corpus', name)];
  for (const folder of [found, kept]) mkdirSync(folder, { recursive: true });
  return [found, kept];
}

function libFuzzer(program, name, ...args) {
  const artifacts = join(BUILT, 'artifacts', name);
  mkdirSync(artifacts, { recursive: true });
  return [program(name), [`-artifact_prefix=${artifacts}/`, `-max_len=${LONGEST[name] ?? LONGEST_OTHERS}`, ...LIMITS, ...args]];
}

/** Whether the target went on to the end. */
async function fuzz(program, name, seconds) {
  const [command, args] = libFuzzer(program, name, `-max_total_time=${seconds}`, '-print_final_stats=1', ...corporaOf(name));
  const { code, output, timedOut } = await capture(command, args, { timeoutMs: (seconds + HEADROOM_SECONDS) * 1000 });
  const executed = /stat::number_of_executed_units: (\d+)/.exec(output)?.[1] ?? '?';
  const covered = [...output.matchAll(/ cov: (\d+)/g)].at(-1)?.[1] ?? '?';
  const ok = code === 0 && !timedOut;
  console.log(`[fuzz] ${name}: ${ok ? 'ok' : 'FAILED'}, ${executed} inputs in ${seconds} s, ${covered} places reached`);
  if (!ok) {
    console.log(output.split('\n').slice(-60).join('\n'));
    const artifact = /Test unit written to (\S+)/.exec(output)?.[1];
    if (artifact) console.log(`[fuzz] again: ${command} ${artifact}`);
  }
  return ok;
}

/**
 * Replaces the corpus by the fewest short inputs with the coverage of the old and the new inputs.
 */
async function minimize(program, name) {
  const [found, kept] = corporaOf(name);
  const next = `${kept}.next`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next);
  const [command, args] = libFuzzer(program, name, '-set_cover_merge=1', '-use_counters=0', `-max_len=${LONGEST_KEPT}`, next, kept, found);
  const { code, output } = await capture(command, args);
  if (code === 0) {
    rmSync(kept, { recursive: true });
    renameSync(next, kept);
  } else console.log(output.split('\n').slice(-20).join('\n'));
  console.log(`[fuzz] ${name}: ${code === 0 ? 'ok' : 'FAILED'}, ${readdirSync(kept).length} inputs kept`);
  return code === 0;
}

/** As many at a time as there are processors. */
async function each(names, work) {
  const waiting = [...names];
  const results = [];
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) results.push(await work(name));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}

async function main(args) {
  const wanted = args.filter((arg) => !arg.startsWith('-') && !/^\d+$/.test(arg));
  const seconds = Number(args.find((arg) => /^\d+$/.test(arg)) ?? SECONDS);
  const unknown = wanted.find((name) => !targets().includes(name));
  if (unknown !== undefined) throw new Error(`${unknown}: must be one of ${targets().join(', ')}`);
  const built = await addressSanitizer(COVERAGE);
  if ('missing' in built) return sayMissing('fuzz', built.missing);
  const profile = profileFor(seconds);
  const program = (name) => join(BUILT, built.target, profile, name);
  const names = wanted.length > 0 ? wanted : targets();
  const isBuilt = await build(built, profile);
  if (args.includes('--build')) {
    process.exitCode = isBuilt ? 0 : 1;
    return;
  }
  const work = args.includes('--minimize') ? (name) => minimize(program, name) : (name) => fuzz(program, name, seconds);
  const results = isBuilt ? await each(names, work) : names.map(() => false);
  const failed = results.filter((ok) => !ok).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

process.chdir(root);
main(process.argv.slice(2));
