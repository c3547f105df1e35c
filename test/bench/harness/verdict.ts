import { markdownTable, short } from './table.js';

/** A target beside what a run measured. */
export interface Verdict {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  readonly met: boolean;
}

/** Of a figure that is good when low. Nothing where it was not measured. */
export function atMost(what: string, measured: number | undefined, limit: number, unit: string): Verdict[] {
  return measured === undefined || Number.isNaN(measured) ? [] : [verdict(what, measured, '<=', limit, unit, measured <= limit)];
}

/** Of a figure that is good when high. Nothing where it was not measured. */
export function atLeast(what: string, measured: number | undefined, limit: number, unit: string): Verdict[] {
  return measured === undefined || Number.isNaN(measured) ? [] : [verdict(what, measured, '>=', limit, unit, measured >= limit)];
}

function verdict(what: string, measured: number, sign: string, limit: number, unit: string, met: boolean): Verdict {
  return { what, target: `${sign} ${limit}${unit}`, measured: `${short(measured)}${unit}`, met };
}

/** A line for each target that was missed. */
export function missedLines(verdicts: readonly Verdict[]): string {
  return verdicts
    .filter(({ met }) => !met)
    .map(({ what, target, measured }) => `MISSED: ${what}: ${measured}, target ${target}`)
    .join('\n');
}

/** All targets in a table. */
export function verdictTable(verdicts: readonly Verdict[]): string {
  return markdownTable(
    [{ title: 'target' }, { title: 'wanted' }, { title: 'measured', right: true }, { title: 'met' }],
    verdicts.map(({ what, target, measured, met }) => [what, target, measured, met ? 'yes' : '**no**']),
  );
}
