import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { MissingFileError } from './common/errors.js';
import type { LogSink } from './common/log-sink.js';
import type { CallRecorder } from './common/recorder.js';
import { COMPARISON, type ComparedTimes } from './engine/comparison.js';
import type { EngineChoice } from './engine/engine-choice.js';
import { capabilityOf, componentOf } from './engine/engine-recorder.js';

const THREAD = join(__dirname, `fast-litellm.comparison.thread${extname(__filename)}`);

/**
 * Measures both engines of a capability when they are first compared, once, in a worker thread: the
 * TypeScript token counter alone takes a tenth of a second and 50 MB to load. Capabilities are
 * measured one after the other.
 */
export class EngineComparisons {
  /** Features with both engines that have not been measured. */
  private readonly unmeasured = new Set<string>();
  private readonly running = new Map<string, Promise<void>>();
  private queue: Promise<void> = Promise.resolve();
  private thread: Worker | undefined = undefined;

  constructor(
    private readonly logger: Pick<LogSink, 'warn'>,
    private readonly file = THREAD,
  ) {}

  add({ feature, native }: EngineChoice<object>): void {
    if (native !== null) this.unmeasured.add(feature);
  }

  /**
   * Resolves when the two components have been measured; `undefined` where they are not the engines
   * of one capability, or have been before.
   */
  measure(rustComponent: string, typescriptComponent: string, recorder: CallRecorder): Promise<void> | undefined {
    if (rustComponent.replace(/^rust_/, 'typescript_') !== typescriptComponent || !this.unmeasured.has(rustComponent)) return undefined;
    const running = this.running.get(rustComponent);
    if (running !== undefined) return running;
    const measured = this.queue.then(() => this.run(rustComponent, recorder));
    this.running.set(rustComponent, measured);
    this.queue = measured;
    return measured;
  }

  close(): void {
    this.unmeasured.clear();
    void this.thread?.terminate();
  }

  private async run(feature: string, recorder: CallRecorder): Promise<void> {
    const times = this.unmeasured.has(feature) ? await this.timesOf(feature) : [];
    // If it was closed in the meantime, so was the recorder.
    if (!this.unmeasured.delete(feature)) return;
    const capability = capabilityOf(feature);
    for (const { operation, nativeMs, typescriptMs } of times) {
      for (const [engine, all] of [['native', nativeMs] as const, ['typescript', typescriptMs] as const]) {
        const series = recorder.series(componentOf(capability, engine), COMPARISON + operation);
        for (const ms of all) series.record(ms);
      }
    }
  }

  private async timesOf(feature: string): Promise<readonly ComparedTimes[]> {
    if (!existsSync(this.file)) {
      this.logger.warn(`Performance monitor: ${new MissingFileError(basename(this.file), 'comparing engines').message}`);
      return [];
    }
    return new Promise((resolve) => {
      this.thread = new Worker(this.file, { workerData: feature, name: 'fast-litellm comparison' });
      this.thread.unref();
      this.thread.once('message', resolve);
      for (const end of ['error', 'exit']) this.thread.once(end, () => resolve([]));
    });
  }
}
