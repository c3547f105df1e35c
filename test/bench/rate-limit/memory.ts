import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { NATIVE, TYPESCRIPT } from './ours.js';

/** Resident bytes per key, of a million keys that made one to three requests each. */
export type MemoryRow = Readonly<Record<string, number | string>>;

/** Ten million keys in a table for 100,000: resident megabytes after each million. */
export interface ChurnRow {
  readonly engine: string;
  readonly megabytes: readonly number[];
  readonly keys: number;
}

const child = join(__dirname, 'memory.child.js');
// V8's room for young objects, which it keeps, is not the keys'.
const NODE = ['--expose-gc', '--max-old-space-size=4096', '--max-semi-space-size=1'];
const TIMEOUT_MS = 600_000;
/** The last half of the churn may add this much, which is the allocator's and not the keys'. */
export const FLAT_MB = 4;

/** One after the other, each in a process of its own. */
export async function memoryRow(names: readonly string[], keys: number): Promise<MemoryRow> {
  const row: Record<string, number | string> = {};
  for (const name of names) {
    row[name] = await runForJson<number>(child, ['keys', name, String(keys)], NODE, TIMEOUT_MS).catch((error: Error) => error.message);
  }
  return row;
}

export async function churnRows(names: readonly string[], keys: number, maxKeys: number): Promise<ChurnRow[]> {
  const rows: ChurnRow[] = [];
  for (const name of names.filter((each) => each === NATIVE || each === TYPESCRIPT)) {
    rows.push(await runForJson<ChurnRow>(child, ['churn', name, String(keys), String(maxKeys)], NODE, TIMEOUT_MS));
  }
  return rows;
}

/** Growth over the last half. */
export function growth({ megabytes }: ChurnRow): number {
  return megabytes[megabytes.length - 1] - megabytes[megabytes.length >> 1];
}
