import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabelledSamples } from '../../prometheus/prometheus-text.js';
import { ServeLog } from '../../serve/serve-log.js';
import type { ServeSettings } from '../../serve/serve.settings.js';
import { CommandError, type CommandIo } from '../command.js';
import type { ServerReport } from './server-report.js';
import { WORKER_NAME, type SupervisorMessage, type WorkerMessage } from './worker-messages.js';

const [FIRST_RESTART_MS, LAST_RESTART_MS] = [500, 30_000];
/** After this time without an end, a worker counts as working. */
const STABLE_MS = 60_000;
/** Longest wait for the metrics of a worker that is busy. */
const COLLECT_MS = 1_000;
/** Time to close connections and stores, in addition to the requests in flight. */
const CLOSE_MS = 10_000;

/** One place among the workers: its process is replaced, its name stays. */
interface Place {
  readonly name: string;
  worker: Worker | undefined;
  isReady: boolean;
  startedMs: number;
  /** Ends since it last worked for a minute. */
  ends: number;
}

/**
 * Starts `settings.workers` processes with the same arguments, which share the port. One that ends
 * is replaced, at first after half a second, later after up to 30. SIGTERM and SIGINT end all of
 * them after their requests in flight; SIGHUP is passed on.
 * @returns the exit code
 * @throws CommandError if a worker cannot start
 */
export async function supervise(settings: ServeSettings, io: CommandIo, show: (report: ServerReport) => void): Promise<number> {
  const log = new ServeLog(io.stderr, settings.logLevel, settings.logsJson);
  log.release();
  return new Supervisor(settings, log, show).run();
}

class Supervisor {
  private readonly places: readonly Place[];
  private readonly collections = new Map<number, { readonly missing: Set<Place>; readonly samples: LabelledSamples[]; end(): void }>();
  private lastCollection = 0;
  private isStopping = false;
  private isShown = false;
  /** Why a worker could not start, before all of them listened once. */
  private failure: string | undefined = undefined;
  private finish: (code: number) => void = () => {};

  constructor(
    private readonly settings: ServeSettings,
    private readonly log: ServeLog,
    private readonly show: (report: ServerReport) => void,
  ) {
    const names = Array.from({ length: settings.workers }, (_, index) => String(index + 1));
    this.places = names.map((name) => ({ name, worker: undefined, isReady: false, startedMs: 0, ends: 0 }));
  }

  async run(): Promise<number> {
    const [, program, ...args] = process.argv;
    // Metrics can have values such as Infinity, which JSON does not support.
    cluster.setupPrimary({ exec: program, args, serialization: 'advanced' });
    let interrupts = 0;
    const stop = (signal: NodeJS.Signals): void => {
      if (signal === 'SIGINT' && ++interrupts > 1) this.killAll();
      else this.stop();
    };
    const reload = (): void => this.signalAll('SIGHUP');
    process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload);
    const code = await new Promise<number>((resolve) => {
      this.finish = resolve;
      for (const place of this.places) this.start(place);
    });
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload);
    if (this.failure !== undefined) throw new CommandError(this.failure);
    return code;
  }

  private start(place: Place): void {
    place.startedMs = performance.now();
    place.isReady = false;
    const worker = (place.worker = cluster.fork({ [WORKER_NAME]: place.name }));
    worker.on('message', (message: WorkerMessage) => this.receive(place, message));
    worker.on('exit', (code, signal) => this.ended(place, signal ?? `exit code ${code}`));
  }

  private receive(place: Place, message: WorkerMessage): void {
    switch (message.kind) {
      case 'ready':
        place.isReady = true;
        if (this.isShown) this.log.log(`Worker ${place.name}: serving requests again`);
        else if (this.places.every(({ isReady }) => isReady)) {
          this.isShown = true;
          this.show(message.report);
        }
        return;
      case 'failed':
        if (this.isShown) this.log.error(`Worker ${place.name}: cannot start (${message.reason})`);
        else {
          this.failure ??= message.reason;
          this.stop();
        }
        return;
      case 'collect':
        void this.collect(place, message.id);
        return;
      case 'samples':
        this.collected(place, message.id, message.samples);
    }
  }

  private ended(place: Place, how: string): void {
    place.worker = undefined;
    place.isReady = false;
    for (const id of this.collections.keys()) this.collected(place, id);
    if (this.isStopping) {
      if (this.places.every(({ worker }) => worker === undefined)) this.finish(this.failure === undefined ? 0 : 1);
      return;
    }
    if (!this.isShown) {
      this.failure ??= `worker ${place.name} ended during startup (${how})`;
      this.stop();
      return;
    }
    if (performance.now() - place.startedMs > STABLE_MS) place.ends = 0;
    const waitMs = Math.min(LAST_RESTART_MS, FIRST_RESTART_MS * 2 ** place.ends++);
    this.log.error(`Worker ${place.name}: ended (${how}); restarting in ${waitMs / 1_000} s`);
    void sleep(waitMs, undefined, { ref: true }).then(() => {
      if (!this.isStopping) this.start(place);
    });
  }

  private stop(): void {
    if (this.isStopping) return;
    this.isStopping = true;
    if (this.places.every(({ worker }) => worker === undefined)) this.finish(0);
    this.signalAll('SIGTERM');
    const { noticeMs, drainMs } = this.settings;
    setTimeout(() => this.killAll(), noticeMs + drainMs + CLOSE_MS).unref();
  }

  private signalAll(signal: NodeJS.Signals): void {
    for (const { worker } of this.places) worker?.process.kill(signal);
  }

  private killAll(): void {
    this.isStopping = true;
    this.signalAll('SIGKILL');
  }

  /** Asks all workers but one for their metrics, and sends these to it. */
  private async collect(asking: Place, id: number): Promise<void> {
    const others = this.places.filter((place) => place !== asking && place.isReady);
    const samples: LabelledSamples[] = [];
    const collection = ++this.lastCollection;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, COLLECT_MS);
      const end = (): void => {
        clearTimeout(timer);
        resolve();
      };
      if (others.length === 0) return end();
      this.collections.set(collection, { missing: new Set(others), samples, end });
      for (const place of others) send(place, { kind: 'sample', id: collection });
    });
    this.collections.delete(collection);
    send(asking, { kind: 'collected', id, samples });
  }

  private collected(place: Place, id: number, samples?: LabelledSamples): void {
    const collection = this.collections.get(id);
    if (collection?.missing.delete(place) !== true) return;
    if (samples !== undefined) collection.samples.push(samples);
    if (collection.missing.size === 0) collection.end();
  }
}

/** A worker can end between the question and this answer. */
function send({ worker }: Place, message: SupervisorMessage): void {
  if (worker?.isConnected() === true) worker.send(message, () => {});
}
