import { causeCodeOf } from '../common/connection-codes.js';
import type { LogSink } from '../common/log-sink.js';
import { ProviderError } from '../common/provider-error.js';
import { visibleText } from '../common/visible-text.js';
import { failedCallOf } from './answer/failed-call.js';
import type { Call } from './call.js';

const EVERY_MS = 60_000;
/** Lines per minute for all groups together, because callers name the model of a `*` group. */
const MOST_LINES = 100;
/** Most characters of a name or an id in a line. */
const LONGEST_NAME = 128;

/** Shape of a provider's error code. */
const PROVIDER_CODE = /^[\w.-]{1,64}$/;

/**
 * Logs failed calls, and calls that succeeded after a failure: one line a minute for each model
 * group and cause.
 */
export class FailureLog {
  /** By group and cause: the last line, and the failures since then. */
  private readonly lines = new Map<string, { atMs: number; more: number }>();

  constructor(private readonly log: LogSink) {}

  add(call: Call, error: unknown, nowMs = performance.now()): void {
    const { id, group = call.asked.model, deploymentId } = failedCallOf(error);
    const { id: requestId } = (call.options.request ?? {}) as { readonly id?: unknown };
    const more = [
      error instanceof ProviderError && error.providerRequestId !== undefined && `provider request ${shown(error.providerRequestId)}`,
      typeof requestId === 'string' && `request ${shown(requestId)}`,
    ];
    const name = id === undefined ? 'a call' : `call ${id}`;
    this.write({ subject: `${name} to ${shown(group)} failed`, group, error, deploymentId, more }, nowMs);
  }

  /** @param error of the first deployment that failed. @param by the deployment that answered */
  addAnswered(call: Call, error: unknown, by: string, nowMs = performance.now()): void {
    const { model } = call.asked;
    const { deploymentId } = failedCallOf(error);
    const subject = `a call to ${shown(model)} was answered by deployment ${shown(by)} after a failure`;
    this.write({ subject, group: `${model} answered`, error, deploymentId, more: [] }, nowMs);
  }

  private write({ subject, group, error, deploymentId, more }: FailureLine, nowMs: number): void {
    const cause = causeOf(error);
    const key = `${shown(group)} (${cause}`;
    const last = this.lines.get(key);
    if (last !== undefined && nowMs - last.atMs < EVERY_MS) {
      last.more++;
      return;
    }
    if (last === undefined && !this.hasRoom(nowMs)) return;
    this.lines.set(key, { atMs: nowMs, more: 0 });
    const details = [cause, deploymentId !== undefined && `deployment ${shown(deploymentId)}`, ...more].filter((part) => part !== false);
    const others = last === undefined || last.more === 0 ? '' : `; ${last.more} more of this kind since the last line`;
    this.log.warn(`LLM client: ${subject} (${details.join(', ')})${others}`);
  }

  private hasRoom(nowMs: number): boolean {
    if (this.lines.size < MOST_LINES) return true;
    for (const [key, { atMs }] of this.lines) if (nowMs - atMs >= EVERY_MS) this.lines.delete(key);
    return this.lines.size < MOST_LINES;
  }
}

interface FailureLine {
  readonly subject: string;
  readonly group: string;
  readonly error: unknown;
  readonly deploymentId: string | undefined;
  readonly more: readonly (string | false)[];
}

/** Not the message, which may quote a prompt. */
function causeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  const words = shown([code, name].find((each): each is string => typeof each === 'string') ?? 'unknown error');
  const inner = causeCodeOf(error);
  const { providerStatus, providerCode } = error instanceof ProviderError ? error : {};
  return [
    words,
    inner !== undefined && inner !== words && inner,
    providerStatus !== undefined && `status ${providerStatus}`,
    providerCode !== undefined && providerCode !== String(providerStatus) && PROVIDER_CODE.test(providerCode) && providerCode,
  ]
    .filter((part) => typeof part === 'string')
    .join(', ');
}

function shown(name: string): string {
  return visibleText(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
}
