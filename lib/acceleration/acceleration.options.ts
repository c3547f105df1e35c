import { list, oneOf, resolveOptions, type OptionsOf } from '../common/option.js';
import { refuseArgument, refuseOption, type Refuse } from '../common/options.js';

/** npm packages that can be patched. */
export const ACCELERATION_TARGETS = ['js-tiktoken', 'tiktoken', 'gpt-tokenizer', 'undici'] as const;
/** A library that can be patched. */
export type AccelerationTarget = (typeof ACCELERATION_TARGETS)[number];

export const ACCELERATION = {
  /** The libraries to patch. Default: all that are installed. */
  targets: list(oneOf(ACCELERATION_TARGETS), { default: ACCELERATION_TARGETS }),
};

/** The libraries to patch. */
export interface AccelerationOptions extends OptionsOf<typeof ACCELERATION> {}

/**
 * Checks the targets of a call.
 * @throws InvalidArgumentError naming the entry.
 */
export function targetsOf(options?: AccelerationOptions): readonly AccelerationTarget[] {
  return resolveOptions(ACCELERATION, '', options, { refuse: refuseArgument }).targets;
}

/**
 * Checks the option `accelerate`: `true` is all targets, `false` none.
 * @throws InvalidConfigurationError naming the entry.
 */
export function checkAccelerate(path: string, value: unknown, refuse: Refuse = refuseOption): readonly AccelerationTarget[] {
  if (typeof value === 'boolean') return value ? ACCELERATION_TARGETS : [];
  if (!Array.isArray(value)) throw refuse(path, value, 'must be true, false or an array');
  return ACCELERATION.targets.check(path, value, refuse);
}
