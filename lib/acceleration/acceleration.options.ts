import {
  checkArray,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  optional,
  refuseArgument,
  refuseOption,
  type Refuse,
} from '../common/options.js';

/** npm packages that can be patched. */
export const ACCELERATION_TARGETS = ['js-tiktoken', 'tiktoken', 'gpt-tokenizer', 'undici'] as const;
/** A library that can be patched. */
export type AccelerationTarget = (typeof ACCELERATION_TARGETS)[number];

/** The libraries to patch. */
export interface AccelerationOptions {
  /** The libraries to patch. Default: all that are installed. */
  readonly targets?: readonly AccelerationTarget[];
}

/**
 * Checks the targets of a call.
 * @throws InvalidArgumentError naming the entry.
 */
export function targetsOf(options: AccelerationOptions = {}): readonly AccelerationTarget[] {
  const input = checkObject('options', options, refuseArgument);
  checkKnownKeys('', input, ['targets'], refuseArgument);
  return optional(input.targets, ACCELERATION_TARGETS, (value) => checkTargets('targets', value, refuseArgument));
}

/**
 * Checks the option `accelerate`: `true` is all targets, `false` or nothing is none.
 * @throws InvalidConfigurationError naming the entry.
 */
export function resolveAccelerate(value: unknown): readonly AccelerationTarget[] {
  if (value === undefined || value === false) return [];
  if (value === true) return ACCELERATION_TARGETS;
  if (!Array.isArray(value)) throw refuseOption('accelerate', value, 'must be true, false or an array');
  return checkTargets('accelerate', value);
}

function checkTargets(path: string, value: unknown, refuse?: Refuse): readonly AccelerationTarget[] {
  return checkArray(path, value, (entry, name) => checkOneOf(entry, name, ACCELERATION_TARGETS, refuse), refuse);
}
