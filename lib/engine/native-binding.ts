import { types } from 'node:util';
import type * as Binding from '#native';
import { errorMessage } from '../common/errors.js';
import { VERSION } from '../common/version.js';
import { ENGINE_VARIABLE, isSwitchedOff, switchedOff } from './engine-mode.js';

/** What the addon exports. */
export type NativeBinding = typeof Binding;

/** The addon, or in one sentence why it cannot be used. */
export type NativeBindingResult =
  { readonly binding: NativeBinding; readonly reason?: undefined } | { readonly binding: null; readonly reason: string };

let opened: NativeBindingResult | undefined;

/** Opens the addon, once per thread; not at all under `FAST_LITELLM_ENGINE=typescript`. Never throws. The only place that opens `native/`. */
export function openNativeBinding(): NativeBindingResult {
  if (isSwitchedOff()) return { binding: null, reason: switchedOff(ENGINE_VARIABLE) };
  return (opened ??= open());
}

function open(): NativeBindingResult {
  try {
    // A copy: V8 looks for each function that the addon exports in a table, and knows where an ordinary object has it.
    const binding = { ...(require('#native') as NativeBinding) };
    const version = binding.version();
    // An addon of another release may take other arguments under the same names, and answer nonsense.
    if (version !== VERSION) return { binding: null, reason: `addon version ${version} does not match package version ${VERSION}` };
    return { binding };
  } catch (error) {
    return { binding: null, reason: whyNot(error) };
  }
}

/** The loader tries each place in turn and chains what went wrong there. A missing file is only a place passed over, yet its own message blames npm for it. */
function whyNot(error: unknown): string {
  const platform = `${process.platform}-${process.arch}`;
  const causes: NodeJS.ErrnoException[] = [];
  for (let cause = error; types.isNativeError(cause); cause = cause.cause) causes.push(cause);
  const [whole = error, ...tried] = causes;
  // The loader copies what it catches into errors of its own, without the code.
  const broken = tried.find(({ code, message }) => code !== 'MODULE_NOT_FOUND' && !message.startsWith('Cannot find module'));
  if (tried.length > 0 && broken === undefined) return `no addon for ${platform}`;
  return `cannot open the addon on ${platform}: ${errorMessage(broken ?? whole)}`;
}
