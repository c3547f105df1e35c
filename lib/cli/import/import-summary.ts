import { alignedLines } from '../output.js';
import type { ImportFindings } from './findings.js';
import type { ImportReport, TableCounts } from './import-run.js';

const COLUMNS = ['rows', 'created', 'updated', 'unchanged', 'kept', 'skipped', 'failed'] as const satisfies readonly (keyof TableCounts)[];

/** Facts about an import that the summary shows besides its counts. */
export interface SummaryContext {
  readonly source: string;
  readonly target: string;
  /** Where spend goes; `undefined`: nowhere. */
  readonly spendTarget: string | undefined;
  readonly isDryRun: boolean;
}

/** The summary for a terminal. */
export function summaryLines(report: ImportReport, findings: ImportFindings, context: SummaryContext): string[] {
  return [
    `from ${context.source}`,
    `to ${context.target}${context.isDryRun ? ' (dry run: nothing was written)' : ''}`,
    '',
    ...tableLines(report),
    '',
    spendLine(report, context),
    ...fieldLines(findings),
    ...failureLines(findings),
  ];
}

/** The same as JSON. */
export function summaryJson(report: ImportReport, findings: ImportFindings, context: SummaryContext): object {
  const { source, target, spendTarget = null, isDryRun } = context;
  const { tables, spend, lastKey = null, lastCall = null } = report;
  return {
    source,
    target,
    spendTarget,
    dryRun: isDryRun,
    tables,
    spend,
    lastKey,
    lastCall,
    fields: findings.list(),
    failed: findings.failed,
  };
}

function tableLines({ tables }: ImportReport): string[] {
  const rows = Object.entries(tables).map(([table, counts]) => [table, ...COLUMNS.map((column) => figure(counts[column]))]);
  return alignedLines([['', ...COLUMNS], ...rows], ['left', ...COLUMNS.map(() => 'right' as const)]);
}

function spendLine({ spend }: ImportReport, { spendTarget, isDryRun }: SummaryContext): string {
  const amount = `${usd(spend.usd)} USD of ${figure(spend.accounts)} keys in their current windows`;
  if (spendTarget === undefined) return `spend: ${amount}; not imported; to import it, set --redis, --postgres-budgets or --budgets-file`;
  return `spend: ${amount}; ${isDryRun ? 'would be added' : `added ${usd(spend.addedUsd)} USD`} to ${spendTarget}`;
}

function fieldLines(findings: ImportFindings): string[] {
  const fields = findings.list();
  if (fields.length === 0) return [];
  const rows = fields.map(({ field, count, protects, advice }) => [`  ${field}`, figure(count), protects ? 'protects' : '', advice]);
  return ['', 'Fields that differ from LiteLLM:', ...alignedLines(rows, ['left', 'right'])];
}

function failureLines({ failed }: ImportFindings): string[] {
  if (failed.length === 0) return [];
  return ['', 'Failed:', ...alignedLines(failed.map(({ table, id, reason }) => [`  ${table}`, id, reason]))];
}

function figure(value: number): string {
  return value.toLocaleString('en-US');
}

function usd(value: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 6 });
}
