import type { DiscoveryService } from '@nestjs/core';
import { InvalidConfigurationError } from '../../common/errors.js';
import { callHookOptionsOf, type CallHookOptions, type ModelCallHook } from './call-hook.js';

/** A provider with `@CallHook()`. */
export interface DiscoveredHook {
  readonly hook: ModelCallHook;
  readonly options: CallHookOptions;
}

/**
 * The providers with `@CallHook()` of all modules. A class that several modules provide under one
 * token is one hook: otherwise it would run once for each.
 * @throws InvalidConfigurationError for a provider of the request's scope
 */
export function discoverHooks(discovery: Pick<DiscoveryService, 'getProviders'>): readonly DiscoveredHook[] {
  const found: (DiscoveredHook & { readonly token: unknown; readonly type: unknown })[] = [];
  for (const wrapper of discovery.getProviders()) {
    const instance: unknown = wrapper.instance;
    const type = typeOf(instance);
    const options = callHookOptionsOf(type) ?? callHookOptionsOf(wrapper.metatype);
    if (options === undefined || wrapper.isAlias) continue;
    if (!wrapper.isDependencyTreeStatic()) {
      throw new InvalidConfigurationError(`hooks.${wrapper.name}`, 'must be a provider with the default scope, because calls share it');
    }
    const { token } = wrapper;
    if (found.some((each) => each.hook === instance || (each.token === token && each.type === type))) continue;
    found.push({ hook: instance as ModelCallHook, options, token, type });
  }
  return found;
}

function typeOf(instance: unknown): unknown {
  if (typeof instance !== 'object' || instance === null) return undefined;
  const prototype = Object.getPrototypeOf(instance) as { readonly constructor?: unknown } | null;
  return prototype?.constructor;
}
