import { addNanoUsd } from '../../common/nano-usd.js';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { OWNER_ONLY } from '../../common/replace-file.js';
import { readStateFile, StateFile } from '../../common/state-file.js';
import type { AccountRecord, BudgetPart } from '../budget/account.js';
import type { BudgetLedger } from './budget-ledger.js';

const EVERY_MS = 5_000;
/** Accounts written in one turn of the event loop. */
const SLICE = 500;
const HEADER = '{"fastLiteLLMBudgets":1}';
const PATH = 'rateLimit.budgets.snapshotFile';

/**
 * Keeps the ledger in a file: a header, then a line of JSON per account: `[name, total, parts,
 * raise]`, in nano-USD; `null`: without an end.
 * @throws InvalidConfigurationError for a file that cannot be read, or is another one.
 */
export function openBudgetSnapshot(ledger: BudgetLedger, file: string, log?: Pick<LogSink, 'warn'>): StateFile {
  restore(ledger, file);
  // Keys can contain names of users.
  const onFailure = (reason: string): void =>
    log?.warn(
      `Rate limiter: cannot write ${PATH} (${reason}); create its folder or make it writable, otherwise a restart loses the spend since the last write`,
    );
  return new StateFile(ledger, { file, mode: OWNER_ONLY, everyMs: EVERY_MS, parts: () => slices(ledger), onFailure });
}

function* slices(ledger: BudgetLedger): Generator<string> {
  let lines = [HEADER];
  for (const [name, account] of ledger.entries()) {
    lines.push(JSON.stringify(lineOf(name, account)));
    if (lines.length < SLICE) continue;
    yield `${lines.join('\n')}\n`;
    lines = [];
  }
  yield `${lines.join('\n')}\n`;
}

function restore(ledger: BudgetLedger, file: string): void {
  const text = readStateFile(file, PATH);
  if (text === undefined) return;
  const [header, ...lines] = text.split('\n');
  try {
    if (header !== HEADER) throw new Error('unknown format');
    for (const line of lines) if (line !== '') restoreAccount(ledger, JSON.parse(line) as Line);
  } catch (error) {
    throw new InvalidConfigurationError(PATH, `is not a budget file (${errorMessage(error)}); remove it to start at 0`);
  }
}

type Line = readonly [
  name: string,
  total: number,
  parts: readonly (readonly [startMs: number, endMs: number | null, spent: number, held: number])[],
  raise?: readonly [nanoUsd: number, untilMs: number | null],
];

function lineOf(name: string, { total, parts, raisedNanoUsd, raisedUntilMs }: AccountRecord): Line {
  const kept = parts.map(({ startMs, endMs, spent, held }) => [startMs, endMs, spent, held] as const);
  return raisedNanoUsd === 0 ? [name, total, kept] : [name, total, kept, [raisedNanoUsd, raisedUntilMs]];
}

/** Holds of an ended process count as spent, because its calls may have been made. */
function restoreAccount(ledger: BudgetLedger, [name, total, parts, raise]: Line): void {
  const restored = parts.map(([startMs, endMs, spent, held]): BudgetPart => ({
    startMs: amount(startMs),
    endMs: end(endMs),
    spent: addNanoUsd(amount(spent), amount(held)),
    held: 0,
  }));
  const allInAll = parts.reduce((sum, [, , , held]) => addNanoUsd(sum, held), amount(total));
  const [raisedNanoUsd, raisedUntilMs] = raise === undefined ? [0, 0] : [amount(raise[0]), end(raise[1])];
  if (typeof name !== 'string') throw new Error('a name is missing');
  ledger.restore(name, { total: allInAll, parts: restored, raisedNanoUsd, raisedUntilMs });
}

function end(value: number | null): number {
  return value === null ? Infinity : amount(value);
}

function amount(value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error('an amount is not an integer');
}
