import type { EngineName } from '../../lib/common/capability.js';
import type { LogSink } from '../../lib/common/log-sink.js';
import { ConnectionPools } from '../../lib/connection-pool/pool-registry.js';
import type { ConnectionPoolEngine } from '../../lib/connection-pool/engine/engine.js';
import { NativeConnectionPoolEngine } from '../../lib/connection-pool/engine/native.js';
import type { ConnectionPoolOptions } from '../../lib/connection-pool/connection-pool.options.js';
import type { ConnectionPoolContext, ConnectionPoolService } from '../../lib/connection-pool/connection-pool.service.js';
import { TypeScriptConnectionPoolEngine } from '../../lib/connection-pool/engine/typescript.js';
import { openNativeBinding } from '../../lib/engine/native-binding.js';
import { FeatureFlagsService } from '../../lib/feature-flags/feature-flags.service.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

/** The engines to be tested: both, where the addon opens; the suite itself says which. */
export function connectionPoolEngines(): ConnectionPoolEngine[] {
  const { binding } = openNativeBinding();
  const engines: ConnectionPoolEngine[] = [new TypeScriptConnectionPoolEngine()];
  if (binding !== null) engines.push(new NativeConnectionPoolEngine(binding));
  return engines;
}

/** Pools on one engine, without the environment's proxies and settings. */
export function poolsOn(
  engine: EngineName,
  env: Record<string, string> = {},
  logger: LogSink = silent,
  context: ConnectionPoolContext = {},
): ConnectionPools {
  const flags = new FeatureFlagsService({}, { env: {}, logger: silent });
  return new ConnectionPools({ flags, logger, setting: { mode: engine, setBy: 'a test' } }, context, env);
}

/** Makes pools on one engine, and drains them all at once in the end. */
export class TestPools {
  private readonly pools: ConnectionPools;

  constructor(engine: EngineName, env?: Record<string, string>, logger?: LogSink, context?: ConnectionPoolContext) {
    this.pools = poolsOn(engine, env, logger, context);
  }

  open(options: ConnectionPoolOptions = {}): ConnectionPoolService {
    return this.pools.open({ drainTimeoutMs: 0, ...options });
  }

  close(): Promise<void> {
    return this.pools.close();
  }
}
