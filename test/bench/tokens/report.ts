import { markdownTable, short } from '../harness/table.js';
import type { Environment } from '../harness/environment.js';
import { ENCODINGS } from './contenders.js';
import type { Contender } from './contenders.js';
import { familyTables } from './family-report.js';
import { HOSTILE_KINDS } from './hostile-texts.js';
import { NATIVE, SERVICE, TYPESCRIPT } from './ours.js';
import type { Row } from './row.js';
import type { TokensResult } from './targets.js';

/** Both encodings in one cell. A value below 1 is bold: the other side is faster. */
function pair(rows: readonly (Row | undefined)[], value: (row: Row) => number | undefined, ratio = true): string {
  const cells = rows.map((row) => {
    const number = row === undefined ? undefined : value(row);
    return number === undefined ? '-' : ratio && number < 1 ? `**${short(number)}**` : short(number);
  });
  return cells.every((cell) => cell === '-') ? '-' : cells.join(' / ');
}

function throughputTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.map(({ mode, label }) => `${mode}|${label}`))];
  const lines = names.map((name) => {
    const [mode, label] = name.split('|') as [string, string];
    const both = ENCODINGS.map((encoding) => rows.find((row) => row.mode === mode && row.label === label && row.encoding === encoding));
    const best = [...new Set(both.map((row) => row?.best).filter(Boolean))].join(' / ');
    return [
      mode,
      label,
      pair(both, (row) => row.mbPerS[NATIVE], false),
      pair(both, (row) => row.timesReference[NATIVE]),
      pair(both, (row) => row.timesBest[NATIVE]),
      best || '-',
      pair(both, (row) => row.timesReference[SERVICE]),
      pair(both, (row) => row.timesReference[TYPESCRIPT]),
    ];
  });
  const right = true;
  return markdownTable(
    [
      { title: 'texts' },
      { title: 'size, kind' },
      { title: 'native MB/s', right },
      { title: 'x tiktoken', right },
      { title: 'x best other', right },
      { title: 'best other package' },
      { title: 'service x tiktoken', right },
      { title: 'TypeScript x tiktoken', right },
    ],
    lines,
  );
}

function hostileTable({ hostile }: TokensResult): string {
  const packages = Object.keys(hostile.find((row) => Object.keys(row.peers).length > 0)?.peers ?? {});
  const engines = [NATIVE, TYPESCRIPT].filter((name) => hostile[0]?.ours[name] !== undefined);
  const lines = HOSTILE_KINDS.flatMap((kind) => {
    const both = ENCODINGS.map((encoding) => hostile.find((row) => row.kind === kind && row.encoding === encoding));
    if (both.every((row) => row === undefined)) return [];
    const cell = (name: string, field: 'ms100k' | 'ms1m' | 'doubling'): string =>
      both.map((row) => (row?.ours[name] ? short(row.ours[name][field]) : '-')).join(' / ');
    const peers = packages.map((name) => {
      const ms = both.find((row) => row?.peers[name] !== undefined)?.peers[name];
      return typeof ms === 'number' ? short(ms) : (ms ?? '-');
    });
    return [[kind, ...engines.flatMap((name) => [cell(name, 'ms100k'), cell(name, 'ms1m'), cell(name, 'doubling')]), ...peers]];
  });
  const right = true;
  const engineColumns = engines.flatMap((name) => [`${name} 100 KB`, `${name} 1 MB`, 'x doubled'].map((title) => ({ title, right })));
  return markdownTable([{ title: 'one piece of' }, ...engineColumns, ...packages.map((title) => ({ title, right }))], lines);
}

function batchTable({ batches }: TokensResult): string {
  const right = true;
  return markdownTable(
    [
      'engine',
      'encoding',
      'countBatch, x one thread',
      'countBatchAsync, x one thread',
      'longest delay of a 1 ms timer, ms',
      'when idle, ms',
    ].map((title, i) => ({ title, right: i > 1 && right })),
    batches.map((row) => [
      row.engine,
      row.encoding,
      short(row.synchronous),
      short(row.promise),
      short(row.batchLatenessMs),
      short(row.idleLatenessMs),
    ]),
  );
}

function loadTable({ load }: TokensResult): string {
  const names = [...new Set(load.map(({ name }) => name))];
  const right = true;
  return markdownTable(
    ['package', 'ready, ms', 'memory, MB', 'each further thread, MB'].map((title, i) => ({ title, right: i > 0 && right })),
    names.map((name) => {
      const costs = ENCODINGS.map((encoding) => load.find((entry) => entry.name === name && entry.encoding === encoding)?.cost);
      const cell = (field: 'readyMs' | 'rssMb' | 'perThreadMb'): string =>
        costs
          .map((cost) =>
            cost === undefined ? '-' : typeof cost === 'string' ? cost : cost[field] === undefined ? '-' : short(cost[field]),
          )
          .join(' / ');
      return [
        name,
        cell('readyMs'),
        cell('rssMb'),
        costs.some((cost) => typeof cost === 'object' && cost.perThreadMb !== undefined) ? cell('perThreadMb') : '-',
      ];
    }),
  );
}

/** Packages with counts that differ from tiktoken's, and where. */
export function wrongCounts(rows: readonly Row[]): string[] {
  const places = new Map<string, string[]>();
  for (const { mode, label, encoding, wrong } of rows) {
    for (const [name, { tokens, of, first }] of Object.entries(wrong)) {
      places.set(name, [...(places.get(name) ?? []), `${encoding} ${mode} ${label}: off by ${tokens} in ${of}, first ${first}`]);
    }
  }
  return [...places].map(
    ([name, where]) =>
      `${name} differs from tiktoken in ${where.length} rows (${where.slice(0, 3).join('; ')}${where.length > 3 ? '; …' : ''}).`,
  );
}

const MODES = `fresh: slices of files of installed packages, each seen once. rotating: texts that recur. hot: the same text every time. cold: caches cleared before each call. encode: returns the token ids.`;

/** The whole report in Markdown. `full` adds every size and kind, folded away in the docs. */
export function report(
  result: TokensResult,
  facts: { environment: Environment; command: string; contenders: readonly Contender[]; headline: (row: Row) => boolean; folded: boolean },
): string {
  const { environment, command, contenders, headline, folded } = facts;
  const versions = contenders.filter(({ kind }) => kind !== 'ours').map(({ name, version, kind }) => `${name} ${version} (${kind})`);
  const rest = result.rows.filter((row) => !headline(row));
  const parts = [
    `\`${command}\`, ${environment.date}, ${environment.cpu}, Node ${environment.node}, ${environment.platform}. Two figures are cl100k_base / o200k_base. ` +
      'Ratios are medians of interleaved rounds in one process; MB/s only show the scale.',
    result.rows.length === 0 ? '' : `${throughputTable(result.rows.filter(headline))}\n\n${MODES}`,
    rest.length === 0
      ? ''
      : folded
        ? `<details><summary>Every size and kind</summary>\n\n${throughputTable(rest)}\n\n</details>`
        : throughputTable(rest),
    result.batches.length === 0
      ? ''
      : `1,000 chat messages (${short(result.batches[0]?.megabytes ?? NaN)} MB) at once:\n\n${batchTable(result)}`,
    result.hostile.length === 0
      ? ''
      : `Hostile texts: one piece that cannot be split. Milliseconds; other packages with 100 KB and cl100k_base:\n\n${hostileTable(result)}`,
    result.load.length === 0 ? '' : `Time to the first count in a fresh process:\n\n${loadTable(result)}`,
    ...familyTables(result.families, result.familyLoads),
    wrongCounts(result.rows).join('\n\n'),
    `Compared: ${versions.join(', ')}.`,
  ];
  return parts.filter(Boolean).join('\n\n');
}
