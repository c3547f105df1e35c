import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { MissingFileError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { Once } from '../../common/once.js';
import type { CallRecorder } from '../../common/recorder.js';
import type { EngineSpeeds } from '../../engine/engine-speeds.js';
import type { EncodingName } from './engine.js';

/** What the thread tells: times in milliseconds by component and operation, and the medians of both engines by size class. */
export interface TwinFigures {
  readonly times: readonly (readonly [component: string, operation: string, ms: number])[];
  readonly medians: readonly (readonly [sizeClass: number, nativeMs: number, typescriptMs: number])[];
}

const THREAD = join(__dirname, `comparison.thread${extname(__filename)}`);

/**
 * Measures both engines in a thread of its own, once: the TypeScript one takes a tenth of a second and more to load, and 50 MB. Here that would hold up
 * requests; there the memory is given back with the thread.
 */
export class TwinMeasurement {
  private readonly once = new Once(() => this.run());
  private thread: Worker | undefined = undefined;

  constructor(
    private readonly encoding: EncodingName,
    private readonly recorder: CallRecorder,
    private readonly speeds: Pick<EngineSpeeds, 'judge'>,
    private readonly logger: Pick<LogSink, 'warn'>,
    private readonly file = THREAD,
  ) {}

  /** Resolves when it is over, whether it came to anything or not; keeps no process alive. `undefined`: it has been over before. */
  measure(): Promise<void> | undefined {
    return this.once.run();
  }

  /** Ends it early. */
  close(): void {
    this.once.end();
    void this.thread?.terminate();
  }

  private async run(): Promise<void> {
    if (!existsSync(this.file)) {
      this.logger.warn(new MissingFileError(basename(this.file), 'measuring the TypeScript token counter').message);
      return;
    }
    const figures = await new Promise<TwinFigures | undefined>((resolve) => {
      this.thread = new Worker(this.file, { workerData: this.encoding, name: 'fast-litellm calibration' });
      this.thread.unref();
      this.thread.once('message', resolve);
      this.thread.once('error', () => resolve(undefined));
      this.thread.once('exit', () => resolve(undefined));
    });
    if (figures === undefined || this.once.isOver) return;
    for (const [component, operation, ms] of figures.times) this.recorder.series(component, operation).record(ms);
    for (const [sizeClass, nativeMs, typescriptMs] of figures.medians) this.speeds.judge(sizeClass, nativeMs, typescriptMs, 'calibration');
  }
}
