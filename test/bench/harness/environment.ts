import { cpus, loadavg } from 'node:os';

/** Where and when the figures were taken, for the line above a table. */
export interface Environment {
  readonly date: string;
  readonly cpu: string;
  readonly node: string;
  readonly platform: string;
  /** Load of the minute before. Above one core, discard the figures. */
  readonly loadBefore: number;
}

export function environment(): Environment {
  const cores = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: `${cores.length} x ${cores[0]?.model.trim() ?? 'unknown CPU'}`,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    loadBefore: loadavg()[0],
  };
}
