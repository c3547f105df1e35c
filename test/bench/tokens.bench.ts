import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchArguments, commandLine } from './harness/arguments.js';
import type { BenchArguments } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { missedLines } from './harness/verdict.js';
import { familyRows, type FamilyRow } from './tokens/families.js';
import { FAMILIES, installedFamilies } from './tokens/family-contenders.js';
import { familyLoadRow, type FamilyLoadRow } from './tokens/family-load.js';
import { describeFamilyRow } from './tokens/family-report.js';
import { installVocabularies } from './tokens/vocabularies.js';
import { batchRow } from './tokens/batch.js';
import type { BatchRow } from './tokens/batch.js';
import { ENCODINGS, ROOT } from './tokens/contenders.js';
import type { BenchEncoding, Contender } from './tokens/contenders.js';
import { warmUp } from './tokens/counted.js';
import type { Opened } from './tokens/counted.js';
import { FRESH_KINDS, filesUnder, freshSlices } from './tokens/fresh-texts.js';
import { freshRow } from './tokens/fresh.js';
import { hostileOurs, hostilePeer } from './tokens/hostile.js';
import type { HostileRow } from './tokens/hostile.js';
import { loadCost } from './tokens/load.js';
import { contenders } from './tokens/open.js';
import { NATIVE, OURS, TYPESCRIPT, openEngine } from './tokens/ours.js';
import { isHeadline, planned, wanted } from './tokens/plan.js';
import { report } from './tokens/report.js';
import { describeRow } from './tokens/row.js';
import type { Row } from './tokens/row.js';
import { losses, verdicts } from './tokens/targets.js';
import type { TokensResult } from './tokens/targets.js';
import { hotPool, textPool } from './tokens/texts.js';
import { LONG_BLOCK, coldRow, encodeRow, staysToTheEnd, throughputRow } from './tokens/throughput.js';

/** From this load on, the other processes are heard in the figures. */
const BUSY = 1;
/** Texts of 4 KB that each family counts once. */
const UNSEEN_SLICES = 600;

const say = (line: string): void => console.error(line);

/** `npm run bench -- tokens`. */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const started = performance.now();
  const machine = environment();
  if (machine.loadBefore > BUSY)
    say(`the machine is busy (load ${machine.loadBefore.toFixed(1)}): packages in JavaScript will look slower than they are`);
  const { installed, missing } = contenders(options.engines);
  for (const { name, reason } of missing) say(`not measured: ${name} (${reason})`);

  const result: TokensResult = {
    rows: await throughputRows(installed, options),
    batches: await batchRows(installed, options),
    hostile: await hostileRows(installed, options),
    load: await loadRows(installed, options),
    ...(await familyResults(options)),
  };
  const facts = {
    environment: environment(),
    command: commandLine('tokens', argv),
    contenders: installed,
    headline: isHeadline,
  };
  console.log(`\n${report(result, { ...facts, folded: false })}\n`);
  const targets = verdicts(result);
  console.log([...losses(result.rows).map((line) => `FASTER: ${line}`), missedLines(targets)].filter(Boolean).join('\n'));
  say(`took ${Math.round((performance.now() - started) / 1000)} s`);

  if (options.json !== undefined)
    writeFileSync(
      options.json,
      `${JSON.stringify({ ...facts.environment, command: facts.command, missing, ...result, targets }, null, 2)}\n`,
    );
  if (options.writeDocs) writeReport('tokens', report(result, { ...facts, folded: true }));
}

async function throughputRows(installed: readonly Contender[], options: BenchArguments): Promise<Row[]> {
  const rows: Row[] = [];
  const effort = options.quick ? { rounds: 2, minMs: 2, trialRounds: 1 } : { rounds: 7, minMs: 20 };
  const encodings = options.quick ? ENCODINGS.slice(1) : ENCODINGS;
  const add = (row: Row): void => {
    say(describeRow(row));
    rows.push(row);
  };
  const freshKinds = FRESH_KINDS.filter((kind) => wanted(options, `fresh ${kind}`));
  const files = freshKinds.length > 0 ? filesUnder(join(ROOT, 'node_modules')) : [];
  const fresh = freshKinds.map((kind) => [kind, freshSlices(files, kind, options.quick ? 64 : 1400)] as const);
  const plan = planned(options);
  if (plan.length + fresh.length === 0) return rows;

  for (const encoding of encodings) {
    const opened = openAll(installed, encoding);
    const warm = textPool('mixed', 4096).blocks[0];
    for (const contender of opened) await warmUp(contender, warm, options.quick ? 5 : 300);
    for (const [kind, slices] of fresh)
      add(await freshRow(kind, encoding, slices, opened, options.quick ? { maxRounds: 2, warmUpMs: 5 } : { maxRounds: 12, warmUpMs: 200 }));
    for (const { mode, size, bytes, kind } of plan) {
      const request = { mode, encoding, label: `${size} ${kind}`, pool: mode === 'hot' ? hotPool(kind, bytes) : textPool(kind, bytes) };
      if (mode === 'cold') add(await coldRow(request, opened, options.quick ? 2 : 12));
      else if (mode === 'encode') add(await encodeRow(request, opened, effort));
      else add(await throughputRow(request, request.pool.bytesPerBlock > LONG_BLOCK ? worthwhile(opened, rows) : opened, effort));
    }
  }
  return rows;
}

/** `--only families` measures them alone, `--only "families Llama 3"` one. */
async function familyResults(options: BenchArguments): Promise<Pick<TokensResult, 'families' | 'familyLoads'>> {
  const families: FamilyRow[] = [];
  const familyLoads: FamilyLoadRow[] = [];
  if (options.quick || !FAMILIES.some(({ name }) => wanted(options, `families ${name}`))) return { families, familyLoads };
  try {
    installVocabularies();
  } catch (error) {
    say(`open models: not all are measured (${(error as Error).message.split('\n', 1)[0]})`);
  }
  const unseen = freshSlices(filesUnder(join(ROOT, 'node_modules')), 'js', UNSEEN_SLICES);
  for (const family of installedFamilies().filter(({ name }) => wanted(options, `families ${name}`))) {
    for (const row of await familyRows(family, unseen, { rounds: 7, minMs: 20 }, say)) {
      say(describeFamilyRow(row));
      families.push(row);
    }
    for (const engine of [NATIVE, TYPESCRIPT] as const) familyLoads.push(await familyLoadRow(family, engine, 3));
  }
  return { families, familyLoads };
}

/**
 * Contenders that were not far behind in the row before: on long texts a slow one takes seconds.
 */
function worthwhile(opened: readonly Opened[], rows: readonly Row[]): Opened[] {
  const before = rows.at(-1);
  if (before?.best === undefined) return [...opened];
  const { best, mbPerS } = before;
  return opened.filter(({ name }) => staysToTheEnd(name) || (mbPerS[name] ?? Infinity) >= mbPerS[best] / 4);
}

function openAll(installed: readonly Contender[], encoding: BenchEncoding): Opened[] {
  return installed.flatMap((contender) => {
    if (!contender.encodings.includes(encoding)) return [];
    try {
      return [{ name: contender.name, asynchronous: contender.kind === 'native, asynchronous', counter: contender.open(encoding) }];
    } catch (error) {
      say(`not measured: ${contender.name} with ${encoding} (${(error as Error).message})`);
      return [];
    }
  });
}

const ourEngines = (installed: readonly Contender[]): (typeof NATIVE | typeof TYPESCRIPT)[] =>
  ([NATIVE, TYPESCRIPT] as const).filter((engine) => installed.some(({ name }) => name === engine));

async function batchRows(installed: readonly Contender[], options: BenchArguments): Promise<BatchRow[]> {
  if (!wanted(options, 'batch')) return [];
  const rows: BatchRow[] = [];
  for (const encoding of options.quick ? ENCODINGS.slice(1) : ENCODINGS) {
    for (const name of ourEngines(installed)) {
      const row = await batchRow(name, openEngine(name), encoding, options.quick);
      say(`${encoding} batch ${name}: ${row.promise.toFixed(2)}x one thread, timer late by ${row.batchLatenessMs.toFixed(1)} ms`);
      rows.push(row);
    }
  }
  return rows;
}

async function hostileRows(installed: readonly Contender[], options: BenchArguments): Promise<HostileRow[]> {
  if (!wanted(options, 'hostile')) return [];
  const engines = installed.filter(({ name }) => name === NATIVE || name === TYPESCRIPT);
  const rows = (options.quick ? ENCODINGS.slice(1) : ENCODINGS).flatMap((encoding) =>
    hostileOurs(openAll(engines, encoding), encoding, options.quick ? 10_000 : undefined),
  );
  if (options.quick) return rows;
  const packages = installed.filter(({ name }) => !OURS.includes(name));
  say(`hostile texts: ${packages.length} packages, each with a limit of 1 s per text…`);
  const results = new Map<string, Record<string, number | string>>();
  const queue = [...packages];
  const work = async (): Promise<void> => {
    for (let peer = queue.shift(); peer !== undefined; peer = queue.shift())
      results.set(peer.name, await hostilePeer(peer, 'cl100k_base', 1000));
  };
  // Two at a time: these figures differ by thousands, not by percents.
  await Promise.all([work(), work()]);
  return rows.map((row) =>
    row.encoding === 'cl100k_base'
      ? { ...row, peers: Object.fromEntries(packages.map(({ name }) => [name, results.get(name)?.[row.kind] ?? '-'])) }
      : row,
  );
}

async function loadRows(installed: readonly Contender[], options: BenchArguments): Promise<TokensResult['load']> {
  if (!wanted(options, 'load')) return [];
  const rows: { name: string; encoding: string; cost: Awaited<ReturnType<typeof loadCost>> | string }[] = [];
  for (const contender of options.quick ? installed.slice(0, 1) : installed) {
    for (const encoding of contender.encodings) {
      const cost = await loadCost(contender, encoding, options.quick || !OURS.includes(contender.name) ? 1 : 3).catch(
        (error: Error) => error.message,
      );
      say(
        `load ${contender.name} ${encoding}: ${typeof cost === 'string' ? cost : `${cost.readyMs.toFixed(0)} ms, ${cost.rssMb.toFixed(0)} MB`}`,
      );
      rows.push({ name: contender.name, encoding, cost });
    }
  }
  return rows;
}
