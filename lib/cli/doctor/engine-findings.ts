import { openNativeBinding } from '../../engine/native-binding.js';
import type { EngineState } from '../../engine/engine-choice.js';
import type { FastLiteLLM } from '../../fast-litellm.js';
import type { FeatureStatus } from '../../feature-flags/feature-flag.js';
import { ENCODING_NAMES, type EncodingName } from '../../token-counter/engine/engine.js';
import { FAMILY_NAMES, familyOf, type FamilyName } from '../../token-counter/families.js';
import { resolveTokenizer } from '../../token-counter/tokenizers/tokenizer-sources.js';
import { errorMessage } from '../../common/errors.js';
import { VERSION } from '../../common/version.js';
import { fault, ok, warning, type DoctorFinding } from './finding.js';

/** Versions, the addon, the engine of each capability, and flags that keep it from answering. */
export function engineFindings(llm: FastLiteLLM): DoctorFinding[] {
  const flags = Object.entries(llm.featureFlags.getFeatureStatus()).flatMap(([name, status]) => flagFinding(name, status));
  return [
    ok('versions', `nestjs-fast-litellm ${VERSION}, Node ${process.versions.node}`),
    addonFinding(),
    ...llm.engineStates().map(engineFinding),
    ...flags,
  ];
}

function addonFinding(): DoctorFinding {
  const { binding, reason } = openNativeBinding();
  const platform = `${process.platform}-${process.arch}`;
  if (binding !== null) return ok('addon', `${binding.version()} on ${platform}`);
  const advice =
    'reinstall the package on this platform, or build the addon (npm run build:native); until then, the TypeScript engines are used';
  return warning('addon', reason, advice);
}

function engineFinding({ capability, active, reason, nativeErrors }: EngineState): DoctorFinding {
  const errors = nativeErrors > 0 ? `, ${nativeErrors} errors` : '';
  return ok(`engine ${capability}`, `${active === 'native' ? 'native' : 'TypeScript'} (${reason}${errors})`);
}

function flagFinding(name: string, { state, configuredState, lastError, breaker }: FeatureStatus): DoctorFinding[] {
  if (breaker !== 'closed') {
    const advice = 'report the error; to try the native engine again, call resetErrors() of FeatureFlagsService';
    return [warning(`flag ${name}`, `its circuit breaker is ${breaker} (${lastError ?? 'unknown error'})`, advice)];
  }
  if (state === 'enabled') return [];
  return [
    warning(`flag ${name}`, `is ${configuredState}`, 'if this is not intended, enable the feature in featureFlags or with its variable'),
  ];
}

/** Whether each encoding loads and counts, and which packages with a tokenizer are there. */
export function tokenizerFindings({ tokenCounter }: FastLiteLLM): DoctorFinding[] {
  const faults = ENCODING_NAMES.flatMap((encoding) => encodingFault(tokenCounter, encoding) ?? []);
  const found = FAMILY_NAMES.flatMap((name) => (isInstalled(name) ? [`${familyOf(name).source} (${name})`] : []));
  return [
    ...(faults.length > 0 ? faults : [ok('tokenizers', ENCODING_NAMES.join(', '))]),
    ...(found.length > 0 ? [ok('tokenizers installed', `${found.join(', ')}; used if tokenCounter.tokenizers names them`)] : []),
  ];
}

function isInstalled(name: FamilyName): boolean {
  const { source } = familyOf(name);
  if (source === undefined || !source.startsWith('@')) return false;
  try {
    resolveTokenizer('doctor', name, { package: source });
    return true;
  } catch {
    return false;
  }
}

function encodingFault(counter: FastLiteLLM['tokenCounter'], encoding: EncodingName): DoctorFinding | undefined {
  const advice = 'mark nestjs-fast-litellm and tiktoken as external packages of the bundle, and reinstall the package';
  try {
    const text = counter.decode(counter.encode('Hello, Zürich', { encoding }), { encoding });
    return text === 'Hello, Zürich' ? undefined : fault(`tokenizer ${encoding}`, 'decoding does not restore the encoded text', advice);
  } catch (error) {
    return fault(`tokenizer ${encoding}`, errorMessage(error), advice);
  }
}
