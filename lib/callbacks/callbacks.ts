import { randomUUID } from 'node:crypto';
import type { CallRecord } from '../common/call-record.js';
import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { InvalidConfigurationError } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { fieldsOf } from '../common/objects.js';
import { readVariables, resolveOptions } from '../common/option.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { CallbackConfig } from '../router/config/callback-settings.js';
import { CALLBACKS, type CallbackOptions } from './callbacks.options.js';
import type { CallbackSink } from './delivery.js';
import { isLogged, loggingPayload } from './logging-payload.js';
import { createSink, SinkFault, type SinkSource } from './sink-settings.environment.js';
import { SINK_NAMES, unsupportedCallback, type SinkName } from './sink-names.js';
import { Spool } from './spool/spool.js';

/** Dependencies of `Callbacks`. */
export interface CallbacksContext {
  readonly options: CallbackOptions | undefined;
  /** From LiteLLM's configuration file. */
  readonly file: CallbackConfig | undefined;
  readonly env: Environment;
  readonly log: LogSink;
}

interface OpenSink {
  readonly spool: Spool;
  readonly onSuccess: boolean;
  readonly onFailure: boolean;
}

const sample = samplesOf('callback');
const CHARS_PER_MB = 1_000_000;
const BYTES_PER_MB = 1_000_000;
const TEST_MS = 10_000;

/**
 * Sends finished calls to the configured sinks. `add` is a listener for call records; it never
 * waits.
 */
export class Callbacks implements Capability {
  readonly capability = 'callbacks';
  private readonly sinks: readonly OpenSink[];
  private readonly redactsMessages: boolean;
  private readonly maxTextChars: number;
  private readonly closeMs: number;

  /** Callbacks in the file that have no effect, with the reason. */
  readonly warnings: readonly string[];

  /**
   * @throws InvalidConfigurationError naming the option. Problems in the file are only warnings.
   */
  constructor({ options, file, env, log }: CallbacksContext) {
    const resolved = resolveOptions(CALLBACKS, 'callbacks', options, { over: readVariables(CALLBACKS, env) });
    const warnings: string[] = [];
    const settings = { ...file?.settings, ...resolved.settings };
    const s3 = { ...file?.s3, ...resolved.s3 };
    const ofOptions = new Set([...resolved.all, ...resolved.success, ...resolved.failure]);
    const success = new Set([...resolved.all, ...resolved.success, ...(file?.success ?? [])]);
    const failure = new Set([...resolved.all, ...resolved.failure, ...(file?.failure ?? [])]);
    const spoolSettings = {
      maxPending: resolved.maxPending,
      maxPendingChars: resolved.maxPendingMb * CHARS_PER_MB,
      folder: resolved.spillFolder,
      canHaveFolder: true,
      maxSpilledBytes: resolved.maxSpillMb * BYTES_PER_MB,
      timeoutMs: resolved.timeoutMs,
    };
    const sinks: CallbackSink[] = [];
    for (const name of new Set([...success, ...failure])) {
      const found = sinkOf(name, { env, settings, s3 });
      if (typeof found !== 'string') sinks.push(found);
      else if (ofOptions.has(name)) throw new InvalidConfigurationError('callbacks', found);
      else warnings.push(`${file?.path ?? 'callbacks'}: ${found}`);
    }
    this.warnings = warnings;
    for (const line of warnings) log.warn(line);
    this.redactsMessages = options?.redactMessages ?? file?.isRedacted ?? false;
    this.maxTextChars = resolved.maxTextChars;
    this.closeMs = resolved.closeMs;
    this.sinks = sinks.map((sink) => ({
      spool: new Spool(sink, spoolSettings, log),
      onSuccess: success.has(sink.name) && sink.wants?.(true) !== false,
      onFailure: failure.has(sink.name) && sink.wants?.(false) !== false,
    }));
    if (sinks.length > 0) log.log(`Callbacks: sending finished calls to ${sinks.map(({ name }) => name).join(', ')}`);
  }

  /** Whether records must include messages and answers. */
  get wantsTexts(): boolean {
    return !this.redactsMessages && this.sinks.some(({ spool }) => spool.sink.withoutTexts !== true);
  }

  get isEmpty(): boolean {
    return this.sinks.length === 0;
  }

  /** Adds the record of a finished call. */
  readonly add = (record: CallRecord): void => {
    const isSuccess = record.status === 'success';
    const wanting = this.sinks.filter(({ onSuccess, onFailure }) => (isSuccess ? onSuccess : onFailure));
    if (wanting.length === 0 || !isLogged(record)) return;
    // A request cannot override the operator's setting, because its texts were not recorded.
    const withTexts = !this.redactsMessages && record.logging?.().isRedacted !== true;
    const made: { whole?: string; textless?: string } = {};
    for (const { spool } of wanting) {
      const kind = withTexts && spool.sink.withoutTexts !== true ? 'whole' : 'textless';
      spool.add((made[kind] ??= JSON.stringify(loggingPayload(record, kind === 'whole' ? this.maxTextChars : 0))));
    }
  };

  /** Names of the sinks. */
  get sinkNames(): readonly string[] {
    return this.sinks.map(({ spool }) => spool.sink.name);
  }

  /**
   * Sends the record of a call that was never made to one sink, and waits for the result.
   * @throws DeliveryError if the sink did not accept it.
   */
  async test(name: string): Promise<void> {
    const found = this.sinks.find(({ spool }) => spool.sink.name === name);
    await found?.spool.sink.send([JSON.stringify(loggingPayload(testRecord(Date.now()), 0))], AbortSignal.timeout(TEST_MS));
  }

  metrics(): readonly MetricSample[] {
    return this.sinks.flatMap(({ spool }) => {
      const labels = { sink: spool.sink.name };
      const { counts } = spool;
      return [
        ...(['delivered', 'dropped', 'rejected'] as const).map((outcome) =>
          sample('payloads_total', 'Payloads of calls by sink and outcome', 'counter', counts[outcome], { ...labels, outcome }),
        ),
        sample('pending', 'Payloads in memory, waiting for a sink', 'gauge', spool.pending, labels),
        sample('spilled_bytes', 'Size of the files with payloads for a sink that is unavailable', 'gauge', spool.spilledBytes, labels),
      ];
    });
  }

  health(): CapabilityHealth {
    const problems = this.sinks.flatMap(({ spool }) => (spool.problem === undefined ? [] : [`${spool.sink.name}: ${spool.problem}`]));
    const sinks = Object.fromEntries(
      this.sinks.map(({ spool }) => [spool.sink.name, { ...spool.counts, pending: spool.pending, spilledBytes: spool.spilledBytes }]),
    );
    if (problems.length === 0) return { status: 'ok', engine: 'typescript', sinks };
    return { status: 'degraded', engine: 'typescript', reason: problems.join('; '), sinks };
  }

  /** Sends the remaining payloads, for at most `callbacks.closeMs`. */
  async close(): Promise<void> {
    await Promise.all(this.sinks.map(({ spool }) => spool.close(this.closeMs)));
  }
}

/** Returns the sink, or the reason why it cannot be created. */
function sinkOf(name: string, source: SinkSource): CallbackSink | string {
  const settings = fieldsOf(source.settings[name]);
  const kind = settings.callback_type === undefined ? name : settings.callback_type;
  const known = Object.keys(source.settings);
  if (!(SINK_NAMES as readonly unknown[]).includes(kind)) return unsupportedCallback(name, known);
  try {
    return createSink(kind as SinkName, name, { ...source, settings });
  } catch (error) {
    if (!(error instanceof SinkFault)) throw error;
    return `the callback ${name} has no effect (${error.message})`;
  }
}

/** A call that costs nothing, which operators recognize. */
function testRecord(nowMs: number): CallRecord {
  const model = 'test-event';
  return {
    id: `test-event-${randomUUID()}`,
    startedAtMs: nowMs,
    endedAtMs: nowMs,
    operation: 'chat',
    stream: false,
    model,
    group: model,
    tags: ['test-event'],
    nanoUsd: 0,
    durationMs: 0,
    status: 'success',
    retries: 0,
    fallbacks: 0,
    attempts: [],
  };
}
