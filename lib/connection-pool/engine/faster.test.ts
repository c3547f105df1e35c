import { TaggedServer } from '../../../test/support/connection-pool-server.js';
import type { EngineName } from '../../common/capability.js';
import { calibrate, calibrationOf } from '../../engine/calibration.js';
import { EngineSpeeds } from '../../engine/engine-speeds.js';
import { SwitchingEngine } from '../../engine/switching-engine.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { POOL_SIZES, SWEEP_CASES } from './calibration.js';
import { resolveConnectionPoolOptions } from '../connection-pool.options.js';
import { ConnectionPoolService } from '../connection-pool.service.js';
import { TypeScriptConnectionPoolEngine } from './typescript.js';

/** Stands for a native engine that, while it is measured, sweeps small pools slowly and large ones fast. */
class SlowNativeEngine extends TypeScriptConnectionPoolEngine {
  override readonly engine: EngineName = 'native';
  swept = 0;
  measured = true;

  override expired(...args: Parameters<TypeScriptConnectionPoolEngine['expired']>): number {
    this.swept++;
    const start = performance.now();
    // Longer than TypeScript takes.
    while (this.measured && args[0].length < 2_000 && performance.now() - start < 1);
    return this.measured ? 0 : super.expired(...args);
  }
}

describe('a native engine that was measured to sweep small pools slowly', () => {
  it('keeps their books and leaves the sweeps to the other', async () => {
    const flags = new FeatureFlagsService({}, { env: {}, logger: { log() {}, warn() {}, error() {} } });
    const native = new SlowNativeEngine();
    const speeds = new EngineSpeeds('rust_connection_pooling', POOL_SIZES);
    const typescript = new TypeScriptConnectionPoolEngine();
    const choice = new SwitchingEngine('rust_connection_pooling', native, typescript, 'a test', flags, undefined, speeds);
    // On a machine that is too busy for the code to become warm there is no verdict, and it is asked again.
    while (speeds.all().length === 0)
      await new Promise<void>((resolve) => calibrate([calibrationOf(choice, SWEEP_CASES)], 'full', undefined, resolve));
    expect(speeds.all().map(({ kind }) => kind)).toEqual(['sweeps of pools up to 1000 connections']);
    native.measured = false;

    const server = await TaggedServer.listen((_, response) => void response.end());
    let nowMs = 1_000;
    const open = (maxConnections: number): ConnectionPoolService =>
      new ConnectionPoolService(choice, resolveConnectionPoolOptions({ maxConnections, maxIdleMs: 50 }, {}, {}), { now: () => nowMs });
    const [small, large] = [open(100), open(2_000)];
    for (const pool of [small, large]) pool.returnConnection(pool.getConnection(server.origin) as number);
    expect([small, large].map((pool) => pool.stats().idleConnections)).toEqual([1, 1]);
    nowMs += 60;
    native.swept = 0;
    expect(small.cleanup()).toBe(1);
    expect(native.swept).toBe(0);
    expect(large.cleanup()).toBe(1);
    expect(native.swept).toBe(1);
    await Promise.all([small.drain(), large.drain(), server.close()]);
  });
});
