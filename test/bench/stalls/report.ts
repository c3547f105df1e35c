import type { environment } from '../harness/environment.js';
import { markdownTable, short } from '../harness/table.js';
import { atMost, type Verdict } from '../harness/verdict.js';
import { isSeed } from './bodies.js';
import { ENGINES, type OverLimitRow, type StallRow } from './measured.js';

/** Rows of random bodies: those that stalled longest. */
const MOST_SEEDS = 5;

/** What a body may take beside `JSON.parse`, and a rejected one in all. */
const TARGETS = { besideParseMs: 20, overLimitMs: 5 };

export function report(
  rows: readonly StallRow[],
  overLimit: readonly OverLimitRow[],
  facts: { readonly environment: ReturnType<typeof environment>; readonly command: string },
): string {
  const { date, cpu, node } = facts.environment;
  const columns = [
    { title: 'body' },
    { title: 'MiB', right: true },
    { title: '`JSON.parse`, ms', right: true },
    { title: 'native, ms', right: true },
    { title: 'TypeScript, ms', right: true },
    { title: 'status', right: true },
    { title: 'before, ms' },
  ];
  const cells = [...rows.filter(({ body }) => !isSeed(body)), ...worstSeeds(rows)].map(({ body, mib, parseMs, gapMs, status, before }) => {
    return [body, mib, short(parseMs), short(gapMs.native), short(gapMs.typescript), status.native, before];
  });
  const worst = worstOf(overLimit);
  return [
    `\`${facts.command}\`, ${date}, ${cpu}, Node ${node}. Longest event-loop wait of the sample gateway (CPU time) while it receives a body with a key, compared with`,
    '`JSON.parse` of the same bytes; the lowest of all rounds. The last rows are the worst random bodies of all APIs; `--only seed-…` repeats one. Status 0: the connection was closed before the whole body was sent.',
    '',
    markdownTable(columns, cells),
    '',
    `For a client that is over its limits, the longest wait is ${short(worst.native)} ms (native) and ${short(worst.typescript)} ms (TypeScript) over all bodies above.`,
  ].join('\n');
}

export function verdicts(rows: readonly StallRow[], overLimit: readonly OverLimitRow[]): Verdict[] {
  const worst = worstOf(overLimit);
  return ENGINES.flatMap((engine) => [
    ...atMost(
      `longest wait for any body, beyond JSON.parse, ${engine}`,
      Math.max(...rows.map(besideParse(engine))),
      TARGETS.besideParseMs,
      ' ms',
    ),
    ...atMost(`longest wait for a client over its limits, ${engine}`, worst[engine], TARGETS.overLimitMs, ' ms'),
  ]);
}

/** A line for each body above a target. */
export function missedBodies(rows: readonly StallRow[], overLimit: readonly OverLimitRow[]): string {
  const lines = ENGINES.flatMap((engine) =>
    rows
      .filter((row) => besideParse(engine)(row) > TARGETS.besideParseMs)
      .map((row) => `  ${row.body}, ${row.mib} MiB, ${engine}: ${short(besideParse(engine)(row))} ms beyond JSON.parse`),
  );
  const early = ENGINES.flatMap((engine) =>
    overLimit
      .filter(({ gapMs }) => gapMs[engine] > TARGETS.overLimitMs)
      .map(
        ({ body, mib, gapMs, status }) =>
          `  ${body}, ${mib} MiB, ${engine}: ${short(gapMs[engine])} ms over its limits, status ${status[engine]}`,
      ),
  );
  return [...lines, ...early].join('\n');
}

/** The random bodies that stalled an engine longest. */
function worstSeeds(rows: readonly StallRow[]): readonly StallRow[] {
  const besides = (row: StallRow): number => Math.max(...ENGINES.map((engine) => besideParse(engine)(row)));
  return rows
    .filter(({ body }) => isSeed(body))
    .sort((one, other) => besides(other) - besides(one))
    .slice(0, MOST_SEEDS);
}

function besideParse(engine: (typeof ENGINES)[number]): (row: StallRow) => number {
  return ({ gapMs, parseMs }) => gapMs[engine] - parseMs;
}

function worstOf(overLimit: readonly OverLimitRow[]): Readonly<Record<(typeof ENGINES)[number], number>> {
  const most = (engine: (typeof ENGINES)[number]): number => Math.max(0, ...overLimit.map(({ gapMs }) => gapMs[engine]));
  return { native: most('native'), typescript: most('typescript') };
}
