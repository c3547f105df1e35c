import type { FastLiteLLM } from '../../fast-litellm.js';
import type { LabelledSamples } from '../../prometheus/prometheus-text.js';
import type { ServerReport } from './server-report.js';

/** From a worker to its supervisor. */
export type WorkerMessage =
  | { readonly kind: 'ready'; readonly report: ServerReport }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Asks for the metrics of the other workers. */
  | { readonly kind: 'collect'; readonly id: number }
  | { readonly kind: 'samples'; readonly id: number; readonly samples: LabelledSamples };

/** From the supervisor to a worker. */
export type SupervisorMessage =
  | { readonly kind: 'collected'; readonly id: number; readonly samples: readonly LabelledSamples[] }
  /** Asks for the worker's own metrics. */
  | { readonly kind: 'sample'; readonly id: number };

/** Variable that names a worker: it keeps its name when it is replaced. */
export const WORKER_NAME = 'FAST_LITELLM_SERVE_WORKER';

/** The connection of a worker to its supervisor. */
export interface SupervisorLink {
  readonly worker: string;
  /** Answers questions about the metrics of this worker. */
  serve(llm: Pick<FastLiteLLM, 'metrics'>): void;
  ready(report: ServerReport): void;
  /** Resolves when the message is sent. */
  failed(reason: string): Promise<void>;
  samplesOfOthers(): Promise<readonly LabelledSamples[]>;
}

/** Connects this process, which is a worker, to the process that started it. */
export function connectToSupervisor(): SupervisorLink {
  const worker = process.env[WORKER_NAME] ?? '1';
  const waiting = new Map<number, (samples: readonly LabelledSamples[]) => void>();
  let last = 0;
  let source: Pick<FastLiteLLM, 'metrics'> | undefined;
  const send = (message: WorkerMessage, sent?: () => void): void => void process.send?.(message, undefined, {}, () => sent?.());
  process.on('message', (message: SupervisorMessage) => {
    if (message.kind === 'sample') send({ kind: 'samples', id: message.id, samples: { worker, samples: source?.metrics() ?? [] } });
    if (message.kind !== 'collected') return;
    waiting.get(message.id)?.(message.samples);
    waiting.delete(message.id);
  });
  return {
    worker,
    serve: (llm) => void (source = llm),
    ready: (report) => send({ kind: 'ready', report }),
    failed: (reason) => new Promise((resolve) => send({ kind: 'failed', reason }, resolve)),
    samplesOfOthers: () =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        send({ kind: 'collect', id });
      }),
  };
}
