import { peers } from './contenders.js';
import type { Available, BenchEncoding, Counter } from './contenders.js';
import { OURS, ours } from './ours.js';

/** All that can be measured on this machine, ours first, and why the others cannot. */
export function contenders(engines: readonly string[]): Available {
  const [we, they] = [ours(), peers()];
  const wanted = ({ name }: { name: string }): boolean =>
    engines.length === 0 || name === 'tiktoken' || engines.some((part) => name.includes(part));
  return { installed: [...we.installed, ...they.installed].filter(wanted), missing: [...we.missing, ...they.missing] };
}

/** For the processes that measure one contender alone. */
export function openByName(name: string, encoding: BenchEncoding): Counter {
  const found = contenders([]).installed.find((contender) => contender.name === name);
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found.open(encoding);
}

/** Ours run in Nest apps, so Nest is loaded before the measurement. Peers do not need it. */
export function loadWhatTheAppHas(name: string): void {
  if (OURS.includes(name)) require('@nestjs/common');
}
