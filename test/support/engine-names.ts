import type { EngineName } from '../../lib/common/capability.js';
import { openNativeBinding } from '../../lib/engine/native-binding.js';

/** The engines to be tested, for `describe.each`: both, where the addon opens. */
export function engineNames(): EngineName[] {
  return openNativeBinding().binding === null ? ['typescript'] : ['typescript', 'native'];
}

/** The engine that an app takes in this run: the addon's, unless `TEST_ENGINE` says otherwise. */
export function usedEngine(): EngineName {
  return openNativeBinding().binding === null || process.env.FAST_LITELLM_ENGINE === 'typescript' ? 'typescript' : 'native';
}
