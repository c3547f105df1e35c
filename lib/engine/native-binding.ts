import { types } from 'node:util';
import type * as Binding from '#native';
import { errorMessage } from '../common/errors.js';
import { VERSION } from '../common/version.js';
import { ENGINE_VARIABLE, isSwitchedOff, switchedOff } from './engine-mode.js';

/** Exports of the addon. */
export type NativeBinding = typeof Binding;

/** The addon, or why it cannot be used. */
export type NativeBindingResult =
  { readonly binding: NativeBinding; readonly reason?: undefined } | { readonly binding: null; readonly reason: string };

let opened: NativeBindingResult | undefined;

/** Opens the addon, once per thread, unless `FAST_LITELLM_ENGINE=typescript`. Never throws. */
export function openNativeBinding(): NativeBindingResult {
  if (isSwitchedOff()) return { binding: null, reason: switchedOff(ENGINE_VARIABLE) };
  return (opened ??= open());
}

function open(): NativeBindingResult {
  try {
    // A copy, because property reads of an ordinary object are faster.
    const binding = { ...(require('#native') as NativeBinding) };
    const version = binding.version();
    // Functions of the same name can have other arguments in an addon of another release.
    if (version !== VERSION) return { binding: null, reason: `addon version ${version} does not match package version ${VERSION}` };
    return { binding };
  } catch (error) {
    return { binding: null, reason: whyNot(error) };
  }
}

/**
 * The loader tries several files and chains the errors. A missing file is not the cause if another
 * error is in the chain.
 */
function whyNot(error: unknown): string {
  const platform = `${process.platform}-${process.arch}`;
  const causes: NodeJS.ErrnoException[] = [];
  for (let cause = error; types.isNativeError(cause); cause = cause.cause) causes.push(cause);
  const [whole = error, ...tried] = causes;
  // The loader wraps errors without their code.
  const broken = tried.find(({ code, message }) => code !== 'MODULE_NOT_FOUND' && !message.startsWith('Cannot find module'));
  if (tried.length > 0 && broken === undefined) return `no addon for ${platform}`;
  return `cannot open the addon on ${platform}: ${errorMessage(broken ?? whole)}`;
}
