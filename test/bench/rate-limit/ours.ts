import { join } from 'node:path';
import type * as NativeBindingModule from '../../../lib/engine/native-binding.js';
import type * as ClockModule from '../../../lib/common/clock.js';
import type { FastLiteLLM } from '../../../lib/fast-litellm.js';
import type { RateLimitEngine } from '../../../lib/rate-limit/engine/engine.js';
import type * as NativeModule from '../../../lib/rate-limit/engine/native.js';
import type { RateLimiterService } from '../../../lib/rate-limit/rate-limit.service.js';
import type { RateLimitOptions } from '../../../lib/rate-limit/rate-limit.options.js';
import type * as TypeScriptModule from '../../../lib/rate-limit/engine/typescript.js';
import { LIMIT, ROOT, TOKENS, type Contender, type Decide } from './contenders.js';
import { OpenAddressingTwin } from './twin.js';

export const NATIVE = 'native';
export const TYPESCRIPT = 'typescript';
export const SERVICE = 'service';
/** The same, where only whether it passes is asked. */
export const ALLOWED = 'service, isAllowed';
export const TWIN = 'JavaScript twin';
/** Never shown as a peer. */
export const OURS: readonly string[] = [NATIVE, TYPESCRIPT, SERVICE, ALLOWED, TWIN];
export type EngineKind = typeof NATIVE | typeof TYPESCRIPT;

const SILENT = { log() {}, warn() {}, error() {} };
const MOST_KEYS = 4_000_000;
const LIMITS = { requestsPerMinute: LIMIT, tokensPerMinute: LIMIT };

/** From the compiled package: that is what users run. */
export function compiled<T>(file: string): T {
  return require(join(ROOT, 'dist', 'lib', file)) as T;
}

/** Throws, with the reason, when the addon cannot be opened. */
export function openEngine(kind: EngineKind): RateLimitEngine {
  if (kind === TYPESCRIPT) {
    return new (compiled<typeof TypeScriptModule>('rate-limit/engine/typescript.js').TypeScriptRateLimitEngine)();
  }
  const { binding, reason } = compiled<typeof NativeBindingModule>('engine/native-binding.js').openNativeBinding();
  if (binding === null) throw new Error(reason);
  return new (compiled<typeof NativeModule>('rate-limit/engine/native.js').NativeRateLimitEngine)(binding);
}

/** The clock that the service reads. */
function serviceClock(): () => number {
  return compiled<typeof ClockModule>('common/clock.js').burstClock();
}

export function engineDecide(kind: EngineKind, name: string | null = null, maxKeys = MOST_KEYS): Decide {
  const engine = openEngine(kind);
  const space = engine.open(name, maxKeys);
  const policy = engine.policy({ scope: 'bench', ...LIMITS });
  const now = serviceClock();
  return (key) => engine.check(space, { policy, key }, { cost: 1, tokens: TOKENS, nowMs: now() });
}

/** Those that `handleDecide` knows. */
export function handleNames(): readonly string[] {
  return missingReason() === undefined ? [NATIVE, TYPESCRIPT] : [TYPESCRIPT];
}

/** A key that is resolved once. */
export function handleDecide(kind: string): Decide {
  const engine = openEngine(kind === TYPESCRIPT ? TYPESCRIPT : NATIVE);
  const space = engine.open(null, MOST_KEYS);
  const handle = engine.handle(space, { policy: engine.policy({ scope: 'bench', ...LIMITS }), key: 'tenant-42:user:1000000000' });
  const now = serviceClock();
  return () => engine.checkHandle(handle, { cost: 1, tokens: TOKENS, nowMs: now() });
}

/** The service on one of the engines; to be closed. */
export function openService(kind: EngineKind, rateLimit: RateLimitOptions): RateLimiterService {
  const { FastLiteLLM: Roof } = compiled<{ FastLiteLLM: typeof FastLiteLLM }>('fast-litellm.js');
  return new Roof({ engine: kind, logger: SILENT, rateLimit }, { env: {} }).rateLimiter;
}

function serviceDecide(method: 'check' | 'isAllowed'): Decide {
  const service = openService(NATIVE, { ...LIMITS, maxKeys: MOST_KEYS });
  const options = { tokens: TOKENS };
  return method === 'check' ? (key) => service.check(key, options) : (key) => service.isAllowed(key, options);
}

function twinDecide(): Decide {
  const twin = new OpenAddressingTwin(LIMIT, LIMIT);
  const now = serviceClock();
  return (key) => twin.check(key, TOKENS, now());
}

/** Ours, those that can run here; and why the others cannot. */
export function ours(): { readonly installed: Contender[]; readonly missing: { name: string; reason: string }[] } {
  const { version } = require(join(ROOT, 'package.json')) as { version: string };
  const reason = missingReason();
  const all: Record<string, () => Decide> = {
    [NATIVE]: () => engineDecide(NATIVE),
    [TYPESCRIPT]: () => engineDecide(TYPESCRIPT),
    [SERVICE]: () => serviceDecide('check'),
    [ALLOWED]: () => serviceDecide('isAllowed'),
    [TWIN]: twinDecide,
  };
  const names = Object.keys(all).filter((name) => reason === undefined || name === TYPESCRIPT || name === TWIN);
  return {
    installed: names.map((name) => ({ name, version, asynchronous: false, open: all[name] })),
    missing: reason === undefined ? [] : [NATIVE, SERVICE, ALLOWED].map((name) => ({ name, reason })),
  };
}

function missingReason(): string | undefined {
  try {
    openEngine(NATIVE);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n', 1)[0];
  }
}
