import type { EngineName } from '../../lib/common/capability.js';
import { openNativeBinding } from '../../lib/engine/native-binding.js';

/** The engines to be tested, for `describe.each`: both, where the addon opens. */
export function engineNames(): EngineName[] {
  return openNativeBinding().binding === null ? ['typescript'] : ['typescript', 'native'];
}
