import { UsageError, type GivenOptions } from './command.js';

/** The value of an option that takes one text. @throws UsageError for an empty one */
export function textOption(options: GivenOptions, name: string): string | undefined {
  const value = options[name];
  if (value === '') throw new UsageError(`--${name}: must be a non-empty string, got ''`);
  return typeof value === 'string' ? value : undefined;
}

/** All values of an option that may be given several times. */
export function textOptions(options: GivenOptions, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

/** Whether an option without a value was given. */
export function isGiven(options: GivenOptions, name: string): boolean {
  return options[name] === true;
}

/** The value of an option as an integer from `least` on. @throws UsageError */
export function integerOption(options: GivenOptions, name: string, least = 0): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= least) return value;
  throw new UsageError(`--${name}: must be an integer of at least ${least}, got '${text}'`);
}
