import { randomUUID } from 'node:crypto';
import type { AttemptStart, CallOutcome, ObservedAttempt } from '../../common/call-observer.js';
import type { AttemptRecord, CallRecord, CallRecordListener, CallRecordChoice, RecordedUsage } from '../../common/call-record.js';
import type { LogSink } from '../../common/log-sink.js';
import { addNanoUsd, nanoUsd as nanoOf } from '../../common/nano-usd.js';
import { COST_PARTS, type CostPart, type CostParts } from '../../common/token-cost.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { CallRequest } from '../call-request.js';
import type { Call } from '../call.js';
import type { CallObservers } from '../call-observers.js';
import { errorCodeOf, isDenial } from '../failure.js';
import type { WatchedAttempt, WatchedCall } from '../attempt-observer.js';
import { answerFactsOf, BodyCapture } from './body-capture.js';
import type { ModelCallHook } from '../hooks/call-hook.js';
import { errorKindOf, statusOf } from './error-facts.js';
import { clientFactsOf, type ClientFacts } from './client-facts.js';
import { loggingFieldsOf } from './logging-fields.js';

/** Nginx's status for a client that closed its connection. */
const CLIENT_CLOSED = 499;

interface Listener {
  readonly listener: CallRecordListener;
  readonly bodies: boolean;
  isReported: boolean;
}

/** Listeners for finished calls. Without listeners, nothing is recorded. */
export class CallRecords {
  private listeners: readonly Listener[] = [];
  private stop: (() => void) | undefined = undefined;
  private capture: BodyCapture | undefined = undefined;
  private stopCapture: (() => void) | undefined = undefined;

  constructor(
    private readonly observers: CallObservers,
    private readonly log: LogSink,
    /** Observes stream events. */
    private readonly addHook: (hook: ModelCallHook) => () => void,
  ) {}

  /** Keeps the answers of calls; `undefined` if no listener requests bodies. */
  get bodies(): BodyCapture | undefined {
    return this.capture;
  }

  /** Adds a listener for calls that begin from now on. Returns a function that removes it. */
  add(listener: CallRecordListener, { bodies = false }: CallRecordChoice = {}): () => void {
    const added: Listener = { listener, bodies, isReported: false };
    this.listeners = [...this.listeners, added];
    this.stop ??= this.observers.addOwn((call) => new RecordedCall(call, this, this.capture));
    if (bodies && this.capture === undefined) {
      this.capture = new BodyCapture();
      this.stopCapture = this.addHook(this.capture.hook);
    }
    return () => this.remove(added);
  }

  private remove(removed: Listener): void {
    this.listeners = this.listeners.filter((each) => each !== removed);
    if (this.listeners.length === 0) {
      this.stop?.();
      this.stop = undefined;
    }
    if (this.listeners.some(({ bodies }) => bodies)) return;
    this.stopCapture?.();
    this.stopCapture = undefined;
    this.capture = undefined;
  }

  /**
   * @param whole the record with bodies, if they were kept
   * @param only the listeners that get it now. Default: all
   */
  emit(record: CallRecord, whole?: CallRecord, only?: 'with bodies' | 'without bodies'): void {
    for (const each of this.listeners) {
      if (only !== undefined && each.bodies !== (only === 'with bodies')) continue;
      try {
        each.listener(each.bodies ? (whole ?? record) : record);
      } catch (error) {
        this.report(each, error);
      }
    }
  }

  private report(of: Listener, error: unknown): void {
    if (of.isReported) return;
    of.isReported = true;
    // Without the message, which can quote a prompt.
    const name = error instanceof Error ? error.name : typeof error;
    this.log.error(`Call records: a listener threw (${name}); calls continue; further errors are not logged`);
  }
}

/** Records one call, from start to finish. */
class RecordedCall implements WatchedCall {
  private readonly id: string;
  private readonly startedAtMs: number;
  private readonly operation: string;
  private readonly model: string;
  private readonly client: ClientFacts;
  private readonly asked: CallRequest;
  private readonly attempts: RecordedAttempt[] = [];

  constructor(
    private readonly call: Call,
    private readonly records: CallRecords,
    private readonly capture: BodyCapture | undefined,
  ) {
    const { asked, principal } = call;
    this.id = call.id ??= randomUUID();
    capture?.begin(this.id);
    this.startedAtMs = Math.round(Date.now() - (performance.now() - asked.startedAtMs));
    this.asked = asked;
    this.operation = asked.operation;
    this.model = asked.model;
    this.client = clientFactsOf(asked, principal?.tags);
  }

  attempt(start: AttemptStart, attempt: WatchedAttempt): ObservedAttempt {
    const recorded = new RecordedAttempt(start, attempt, this.startedAtMs - this.call.asked.startedAtMs);
    this.attempts.push(recorded);
    return recorded;
  }

  ended(outcome: CallOutcome): void {
    const record = this.recordOf(outcome);
    const whole = this.capture && this.withBodies(record, this.capture);
    const logged = whole === undefined ? undefined : this.call.guards?.logged;
    if (whole === undefined || logged === undefined) return this.records.emit(record, whole);
    this.records.emit(record, undefined, 'without bodies');
    logged({ request: whole.request?.(), answer: whole.answer?.() }).then(
      ({ request, answer }) =>
        this.records.emit(record, { ...whole, ...this.found(), request: () => request, answer: () => answer }, 'with bodies'),
      // What a guardrail could not check is not logged.
      () => this.records.emit(record, { ...record, ...this.found() }, 'with bodies'),
    );
  }

  private found(): Pick<CallRecord, 'guardrails'> {
    const guardrails = this.call.guards?.records?.();
    return guardrails === undefined || guardrails.length === 0 ? {} : { guardrails };
  }

  private withBodies(record: CallRecord, capture: BodyCapture): CallRecord {
    const answer = capture.take(this.id);
    const { body } = this.call.asked;
    return { ...record, ...answerFactsOf(answer), request: () => body, answer: () => answer };
  }

  private recordOf({ error, cancelled, retries = 0, fallbacks = 0 }: CallOutcome): CallRecord {
    const { call, client, attempts } = this;
    const { principal } = call;
    const ended: AttemptRecord[] = [];
    for (const { record } of attempts) if (record !== undefined) ended.push(record);
    const status = cancelled === true ? 'cancelled' : error === undefined ? 'success' : isDenial(error) ? 'denied' : 'failure';
    const answered = status === 'success' ? attempts.find(({ record }) => record?.status === 'success') : undefined;
    const last = answered ?? attempts.at(-1);
    const at = last?.record;
    const durationMs = this.durationMs(last, status === 'success');
    const cause: unknown = cancelled === true ? call.cancellation.error : error;
    const sums = sumsOf(ended);
    return {
      id: this.id,
      startedAtMs: this.startedAtMs,
      endedAtMs: this.startedAtMs + Math.round(durationMs),
      operation: this.operation,
      stream: call.stream,
      model: this.model,
      group: at?.group,
      deploymentId: at?.deploymentId,
      provider: at?.provider,
      upstreamModel: at?.upstreamModel,
      apiBaseHost: at?.apiBaseHost,
      keyId: principal?.keyId,
      keyAlias: principal?.alias,
      user: principal?.user,
      team: principal?.team,
      organization: principal?.organization,
      endUser: client.endUser,
      tags: client.tags,
      sessionId: client.sessionId,
      traceId: client.traceId,
      requestId: client.requestId,
      ip: client.ip,
      userAgent: client.userAgent,
      usage: sums.usage,
      // A hook answered the call.
      nanoUsd: ended.length === 0 && status === 'success' ? 0 : sums.nanoUsd,
      costParts: sums.costParts,
      isEstimated: sums.isEstimated,
      savedNanoUsd: undefined,
      cacheStatus: 'off',
      durationMs,
      timeToFirstTokenMs: last?.firstChunkAfter(call.asked.startedAtMs),
      status,
      errorKind: cause === undefined ? undefined : errorKindOf(cause),
      errorCode: cause === undefined ? undefined : errorCodeOf(cause),
      httpStatus: status === 'success' ? 200 : status === 'cancelled' ? CLIENT_CLOSED : (statusOf(cause) ?? 500),
      retries,
      fallbacks,
      attempts: ended,
      ...this.found(),
      // Read from the original request: hooks may remove fields.
      logging: () => loggingFieldsOf(this.asked),
    };
  }

  /**
   * Ends when the caller gets the answer or error, although failed attempts may be drained for
   * longer.
   */
  private durationMs(last: RecordedAttempt | undefined, isAnswered: boolean): number {
    const endMs = last !== undefined && (isAnswered || last.wasDrained) ? last.attempt.endedAtMs : performance.now();
    return Math.max(0, endMs - this.call.asked.startedAtMs);
  }
}

/** Records one attempt of a call. */
class RecordedAttempt implements ObservedAttempt {
  record: AttemptRecord | undefined = undefined;
  /** Whether the answer was read to its end after the call had finished. */
  wasDrained = false;

  constructor(
    private readonly start: AttemptStart,
    readonly attempt: WatchedAttempt,
    private readonly clockOffsetMs: number,
  ) {}

  run<T>(send: () => T): T {
    return send();
  }

  firstChunk(): void {}

  firstChunkAfter(startedAtMs: number): number | undefined {
    const { firstChunkAtMs } = this.attempt;
    return firstChunkAtMs === undefined ? undefined : firstChunkAtMs - startedAtMs;
  }

  ended({ error, cancelled, status, costUsd }: CallOutcome): void {
    const { start, attempt } = this;
    const { selection, startedAtMs, endedAtMs } = attempt;
    const isAnswered = error === undefined;
    const usage = attempt.usage ?? (isAnswered ? attempt.estimatedUsage : attempt.used);
    const used = isAnswered ? usage : attempt.used;
    const cost = used && attempt.costOf(used);
    this.wasDrained = !isAnswered && attempt.call.isOver;
    this.record = {
      number: start.number,
      deploymentId: start.deploymentId,
      provider: attempt.provider,
      upstreamModel: start.model,
      group: selection.group,
      apiBaseHost: hostOf(selection.deployment.params),
      startedAtMs: Math.round(this.clockOffsetMs + startedAtMs),
      durationMs: Math.max(0, endedAtMs - startedAtMs),
      timeToFirstTokenMs: this.firstChunkAfter(startedAtMs),
      status: cancelled === true ? 'cancelled' : isAnswered ? 'success' : 'failure',
      errorKind: isAnswered ? undefined : errorKindOf(error),
      errorCode: isAnswered ? undefined : errorCodeOf(error),
      httpStatus: status,
      usage: used && recordedUsage(used),
      // A mock can have a cost without usage.
      nanoUsd: used === undefined ? (costUsd === undefined ? undefined : nanoOf(costUsd)) : cost?.nanoUsd,
      costParts: cost?.parts,
      isEstimated: used !== undefined && attempt.usage === undefined,
    };
  }
}

function recordedUsage({ promptTokens, completionTokens, totalTokens, details }: AnswerUsage): RecordedUsage {
  return {
    prompt: Math.round(promptTokens),
    completion: Math.round(completionTokens),
    total: Math.round(totalTokens),
    cacheRead: details?.cacheReadTokens ?? 0,
    cacheWrite: details?.cacheWriteTokens ?? 0,
    reasoning: details?.reasoningTokens ?? 0,
    audioIn: details?.inputAudioTokens ?? 0,
    audioOut: details?.outputAudioTokens ?? 0,
    images: (details?.inputImageTokens ?? 0) + (details?.outputImageTokens ?? 0),
    webSearches: details?.webSearches ?? 0,
  };
}

type Sums = Pick<CallRecord, 'usage' | 'nanoUsd' | 'costParts' | 'isEstimated'>;

/** Most calls have one attempt, whose figures are the call's. */
function sumsOf(attempts: readonly AttemptRecord[]): Sums {
  if (attempts.length === 1) return attempts[0];
  const charged = attempts.filter(({ usage, nanoUsd }) => usage !== undefined || nanoUsd !== undefined);
  if (charged.length < 2) return charged[0] ?? { isEstimated: false };
  const sums: { usage?: RecordedUsage; nanoUsd?: number; costParts?: CostParts; isEstimated: boolean } = { isEstimated: false };
  for (const { usage, nanoUsd, costParts, isEstimated } of charged) {
    if (usage !== undefined) sums.usage = sums.usage === undefined ? usage : usageSum(sums.usage, usage);
    if (nanoUsd !== undefined) sums.nanoUsd = addNanoUsd(sums.nanoUsd ?? 0, nanoUsd);
    if (costParts !== undefined) sums.costParts = sums.costParts === undefined ? costParts : partsSum(sums.costParts, costParts);
    sums.isEstimated ||= isEstimated === true;
  }
  return sums;
}

function usageSum(a: RecordedUsage, b: RecordedUsage): RecordedUsage {
  const sum: Record<string, number> = {};
  for (const name of Object.keys(a) as (keyof RecordedUsage)[]) sum[name] = a[name] + b[name];
  return sum as unknown as RecordedUsage;
}

function partsSum(a: CostParts, b: CostParts): CostParts {
  const sum: Partial<Record<CostPart, number>> = {};
  for (const part of COST_PARTS) if (a[part] !== undefined || b[part] !== undefined) sum[part] = (a[part] ?? 0) + (b[part] ?? 0);
  return sum;
}

/** Cache of hosts by the parameters of a deployment. */
const hosts = new WeakMap<object, string | null>();

function hostOf(params: Readonly<Record<string, unknown>>): string | undefined {
  let host = hosts.get(params);
  if (host === undefined) {
    const { api_base: base } = params;
    host = typeof base === 'string' && URL.canParse(base) ? new URL(base).host : null;
    hosts.set(params, host);
  }
  return host ?? undefined;
}
