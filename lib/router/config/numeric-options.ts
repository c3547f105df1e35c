import { checkObject, joinPath, type Refuse } from '../../common/options.js';

/** Reads a number of at least 0, which may be text: from the environment, or quoted in YAML. */
export function checkAmount(path: string, value: unknown, refuse: Refuse): number {
  const amount = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof amount === 'number' && Number.isFinite(amount) && amount >= 0) return amount;
  throw refuse(path, value, 'must be a number of at least 0');
}

/** Reads an object of such numbers; `undefined` and `null` are left out. */
export function checkAmounts(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, number>> {
  const set = Object.entries(checkObject(path, value, refuse)).filter(([, amount]) => amount !== undefined && amount !== null);
  return Object.fromEntries(set.map(([key, amount]) => [key, checkAmount(joinPath(path, key), amount, refuse)]));
}
