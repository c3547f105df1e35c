import { join } from 'node:path';
import type * as Package from '../../../lib/index.js';
import { ROOT } from '../tokens/contenders.js';

const SILENT = { log() {}, warn() {}, error() {} };

export type EngineMode = 'native' | 'typescript';

/** A pool of the compiled package, which is what users run, with everything on. */
export function poolOf(engine: EngineMode, maxConnections: number): Package.ConnectionPoolService {
  const { FastLiteLLM } = require(join(ROOT, 'dist', 'lib', 'index.js')) as typeof Package;
  const connectionPool = { maxConnections, maxConnectionsPerEndpoint: maxConnections };
  return new FastLiteLLM({ engine, logger: SILENT, connectionPool }).connectionPool;
}
