import type { Environment } from '../harness/environment.js';
import { markdownTable, short } from '../harness/table.js';
import { verdictTable } from '../harness/verdict.js';
import type { Contender } from './contenders.js';
import { KEY_ALONE } from './decisions.js';
import { OURS } from './ours.js';
import { verdicts, type RateLimitResult } from './targets.js';

const column = (title: string, i: number): { title: string; right: boolean } => ({ title, right: i > 0 });

/** A table of one column per name, and of one line per row. */
function byName(title: string, rows: readonly { readonly label: string; readonly figures: Readonly<Record<string, number>> }[]): string {
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  return markdownTable(
    [title, ...names].map(column),
    rows.map(({ label, figures }) => [label, ...names.map((name) => short(figures[name] ?? NaN))]),
  );
}

function decisionTable({ decisions }: RateLimitResult): string {
  const names = [KEY_ALONE, ...OURS, ...new Set(decisions.flatMap(({ ns }) => Object.keys(ns)))];
  const columns = [...new Set(names)].filter((name) => decisions.some(({ ns }) => ns[name] !== undefined));
  return markdownTable(
    ['ns per decision', ...columns].map(column),
    decisions.map(({ label, ns, best }) => [
      label,
      ...columns.map((name) => (ns[name] === undefined ? '-' : name === best ? `**${short(ns[name])}**` : short(ns[name]))),
    ]),
  );
}

function memoryTable({ memory }: RateLimitResult): string {
  return markdownTable(
    ['', 'bytes per key'].map(column),
    Object.entries(memory).map(([name, bytes]) => [name, typeof bytes === 'number' ? short(bytes) : bytes]),
  );
}

/** The whole report in Markdown. */
export function report(
  result: RateLimitResult,
  facts: { environment: Environment; command: string; contenders: readonly Contender[] },
): string {
  const { environment, command, contenders } = facts;
  const { threads, churn, pauses, guards, budgets, redis, shared } = result;
  const part = (isThere: boolean, text: () => string): string => (isThere ? text() : '');
  const parts = [
    `\`${command}\`, ${environment.date}, ${environment.cpu}, Node ${environment.node}, ${environment.platform}. CPU time, medians of interleaved rounds in one process.`,
    part(
      result.decisions.length > 0,
      () => `${decisionTable(result)}\n\nThe fastest other package is in bold. Every figure includes the time of "the key alone".`,
    ),
    part(
      Object.keys(result.memory).length > 0,
      () => `Memory used by a million keys with one to three requests each:\n\n${memoryTable(result)}`,
    ),
    part(
      threads !== undefined,
      () => `Two worker threads on ${threads?.keys.toLocaleString('en')} shared keys: ${short(threads?.ratio ?? NaN)} times one.`,
    ),
    ...churn.map(
      ({ engine, megabytes, keys }) =>
        `Ten million keys through 100,000 places, ${engine}: ${megabytes.map((mb) => mb.toFixed(0)).join(', ')} MB after each million, ${keys.toLocaleString('en')} keys kept.`,
    ),
    ...pauses.map(
      ({ engine, keys, worstMs }) =>
        `Longest decision while growing to ${keys.toLocaleString('en')} keys, ${engine}: ${short(worstMs)} ms.`,
    ),
    part(guards.length > 0, () =>
      byName(
        'guard, ns',
        guards.map(({ adapter, ns }) => ({ label: adapter, figures: ns })),
      ),
    ),
    part(budgets.length > 0, () =>
      markdownTable(
        ['reserve and settle, ns', 'without a budget', 'with one budget', 'ratio'].map(column),
        budgets.map(({ label, plainNs, budgetNs, ratio }) => [label, short(plainNs), short(budgetNs), short(ratio)]),
      ),
    ),
    part(redis.length > 0, () =>
      byName(
        'Redis, decisions/s, 64 at once',
        redis.map(({ label, perSecond }) => ({ label, figures: perSecond })),
      ),
    ),
    part(shared.length > 0, () =>
      markdownTable(
        ['a reservation and its settlement under one budget', 'per second', 'CPU of the process, us'].map(column),
        shared.map(({ label, perSecond, cpuUs }) => [label, short(perSecond), short(cpuUs)]),
      ),
    ),
    verdictTable(verdicts(result)),
    `Compared: ${contenders
      .filter(({ name }) => !OURS.includes(name))
      .map(({ name, version }) => `${name} ${version}`)
      .join(', ')}.`,
  ];
  return parts.filter(Boolean).join('\n\n');
}
