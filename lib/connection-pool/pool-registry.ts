import { isDeepStrictEqual } from 'node:util';
import { InvalidArgumentError } from '../common/errors.js';
import { type EngineChoice, provideEngine, type EngineContext } from '../engine/engine-choice.js';
import type { ConnectionPoolEngine } from './engine/engine.js';
import { CONNECTION_POOL_ENGINES } from './engine/engine-provider.js';
import { resolveConnectionPoolOptions, type ConnectionPoolOptions } from './connection-pool.options.js';
import { ConnectionPoolService, type ConnectionPoolContext } from './connection-pool.service.js';

/** The pools of one `FastLiteLLM`. */
export class ConnectionPools {
  readonly choice: EngineChoice<ConnectionPoolEngine>;
  private readonly pools = new Set<ConnectionPoolService>();
  private readonly named = new Map<string, { readonly pool: ConnectionPoolService; readonly options: ConnectionPoolOptions }>();

  constructor(
    private readonly engines: EngineContext,
    private readonly context: ConnectionPoolContext = {},
    private readonly env?: Readonly<Record<string, string | undefined>>,
  ) {
    this.choice = provideEngine(CONNECTION_POOL_ENGINES, engines);
  }

  /**
   * Opens a pool. Settings of the flags file take precedence over the options.
   * @throws InvalidConfigurationError naming the option.
   */
  open(options: ConnectionPoolOptions = {}): ConnectionPoolService {
    const resolved = resolveConnectionPoolOptions(options, this.engines.flags.settings.connectionPool, this.env);
    const pool = new ConnectionPoolService(this.choice, resolved, { logger: this.engines.logger, ...this.context });
    for (const known of this.pools) if (known.isDrained) this.pools.delete(known);
    this.pools.add(pool);
    return pool;
  }

  /**
   * The pool of this name, the same one until it is drained.
   * @throws InvalidArgumentError if it is open with other options.
   */
  withName(name: string, options?: ConnectionPoolOptions): ConnectionPoolService {
    const known = this.named.get(name);
    if (known !== undefined && !known.pool.isDrained) {
      if (options === undefined || isDeepStrictEqual(options, known.options)) return known.pool;
      throw new InvalidArgumentError('options', options, `must equal the options that the pool ${JSON.stringify(name)} was opened with`);
    }
    const pool = this.open(options);
    this.named.set(name, { pool, options: options ?? {} });
    return pool;
  }

  /** Drains all pools. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.pools, (pool) => pool.drain()));
  }
}
