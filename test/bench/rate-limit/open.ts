import { peers, type Contender } from './contenders.js';
import { ours } from './ours.js';

/** All that can be measured on this machine, ours first, and why the others cannot. */
export function contenders(engines: readonly string[]): { installed: Contender[]; missing: { name: string; reason: string }[] } {
  const [we, they] = [ours(), peers()];
  const wanted = ({ name }: { name: string }): boolean => engines.length === 0 || engines.some((part) => name.includes(part));
  return { installed: [...we.installed, ...they.installed].filter(wanted), missing: [...we.missing, ...they.missing] };
}

/** For the processes that measure one contender alone. */
export function openByName(name: string): Contender {
  const found = contenders([]).installed.find((contender) => contender.name === name);
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}
