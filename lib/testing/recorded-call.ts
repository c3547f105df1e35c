import type { AttemptStart, CallOutcome, CallStart } from '../common/call-observer.js';

/** One attempt of a recorded call. */
export interface RecordedAttempt extends AttemptStart {
  /** Its outcome; absent while it is in flight. */
  readonly outcome?: CallOutcome;
}

/** One recorded call. */
export interface RecordedCall extends CallStart {
  readonly attempts: readonly RecordedAttempt[];
  /** Its outcome; absent while it is in flight. */
  readonly outcome?: CallOutcome;
}

/** How a call or an attempt ended. */
export function endOf(outcome: CallOutcome | undefined): 'in flight' | 'succeeded' | 'failed' | 'cancelled' {
  if (outcome === undefined) return 'in flight';
  return outcome.cancelled === true ? 'cancelled' : outcome.error === undefined ? 'succeeded' : 'failed';
}

/** A line for each call and each attempt: names, statuses and figures, no text and no key. */
export function describeCalls(calls: readonly RecordedCall[]): string {
  if (calls.length === 0) return 'recorded calls: none';
  return ['recorded calls:', ...calls.flatMap(callLines)].join('\n');
}

/** Without the noise of binary fractions. */
export function figure(usd: number): number {
  return Number(usd.toPrecision(6));
}

function callLines({ operation, model, stream, attempts, outcome }: RecordedCall, index: number): string[] {
  const { retries = 0, fallbacks = 0 } = outcome ?? {};
  const came = `${endOf(outcome)}, retries: ${retries}, fallbacks: ${fallbacks}`;
  return [`  ${index + 1}. ${operation}${stream ? ' (stream)' : ''} of ${model}: ${came}`, ...attempts.map(attemptLine)];
}

function attemptLine({ number, deploymentId, outcome }: RecordedAttempt): string {
  const { status, error, inputTokens, outputTokens, costUsd } = outcome ?? {};
  const facts = [
    error === undefined ? endOf(outcome) : failureOf(error),
    status === undefined ? undefined : `status ${status}`,
    inputTokens === undefined ? undefined : `${inputTokens} + ${outputTokens ?? 0} tokens`,
    costUsd === undefined ? undefined : `${figure(costUsd)} USD`,
  ];
  return `     attempt ${number} at ${deploymentId}: ${facts.filter((fact) => fact !== undefined).join(', ')}`;
}

/** The error's code or name: its message may quote a prompt. */
function failureOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return [code, name].find((each) => typeof each === 'string') ?? 'failed';
}
