import type { BenchArguments } from '../harness/arguments.js';
import type { Row, RowMode } from './row.js';
import { TEXT_KINDS } from './texts.js';
import type { TextKind } from './texts.js';

const SIZES: readonly [string, number][] = [
  ['11 B', 11],
  ['60 B', 60],
  ['500 B', 500],
  ['4 KB', 4096],
  ['64 KB', 65_536],
  ['1 MB', 1_048_576],
];

/**
 * Rows that docs/benchmarks.md shows unfolded: typical traffic first, then each size and each kind.
 */
const HEADLINE = new Set([
  '11 B prose',
  '60 B prose',
  '500 B prose',
  ...TEXT_KINDS.slice(0, 6).map((kind) => `4 KB ${kind}`),
  '64 KB prose',
  '1 MB mixed',
]);
export const isHeadline = ({ mode, label }: Row): boolean => mode !== 'rotating' || HEADLINE.has(label);

/** True if `--only` selects the row by a part of `fresh md`, `rotating 4 KB prose`, `hostile`, … */
export function wanted({ only }: BenchArguments, name: string): boolean {
  return only.length === 0 || only.some((part) => name.includes(part));
}

/** A row to be measured on generated texts. */
export interface PlannedRow {
  readonly mode: RowMode;
  readonly size: string;
  readonly bytes: number;
  readonly kind: TextKind;
}

/** The rows on generated texts in order: all kinds and sizes, then the other ways of calling. */
export function planned(options: BenchArguments): PlannedRow[] {
  const grid = TEXT_KINDS.flatMap((kind) => SIZES.map(([size, bytes]): PlannedRow => ({ mode: 'rotating', size, bytes, kind })));
  const extra = (mode: RowMode, size: string, kinds: readonly TextKind[]): PlannedRow[] =>
    kinds.map((kind) => ({ mode, size, kind, bytes: (SIZES.find(([name]) => name === size) as [string, number])[1] }));
  const all = [
    ...grid,
    ...extra('hot', '60 B', ['prose']),
    ...extra('hot', '4 KB', ['prose', 'code', 'cjk']),
    ...extra('cold', '4 KB', ['prose', 'code', 'cjk']),
    ...extra('encode', '4 KB', ['prose']),
  ];
  const quick = new Set([
    'rotating 60 B prose',
    'rotating 4 KB code',
    'rotating 4 KB cjk',
    'hot 4 KB prose',
    'cold 4 KB prose',
    'encode 4 KB prose',
  ]);
  return all.filter(
    ({ mode, size, kind }) => wanted(options, `${mode} ${size} ${kind}`) && (!options.quick || quick.has(`${mode} ${size} ${kind}`)),
  );
}
