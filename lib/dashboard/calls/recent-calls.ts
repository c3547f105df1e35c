import { InvalidArgumentError } from '../../common/errors.js';
import type { AttemptRecord, CallRecord, RecordedUsage } from '../../common/call-record.js';
import { usdOf } from '../../common/nano-usd.js';
import { copiedStart } from '../../common/visible-text.js';
import type { SpendingBy } from '../spending/dimensions.js';
import type { SpendAttempt } from '../../spend/spend-queries.js';
import type { CallDetails, CallSummary, CallsQuestion, CallsSource } from './calls-source.js';
import { windowOf, type AttemptWindow } from './attempt-window.js';

/** About 2 KB each. */
const MOST_CALLS = 1_000;
/** Of each deployment, so that busy ones do not displace those of quiet ones. */
const MOST_ATTEMPTS = 64;
/** A router whose deployments change all the time must not fill the memory. */
const MOST_DEPLOYMENTS = 1_000;

/** Clients can send any text as a model. */
const LONGEST_MODEL = 200;

/** A kept call: without bodies, and without what could compute them. */
type KeptCall = Omit<CallRecord, 'logging' | 'request' | 'answer'>;

/**
 * The last calls of this process, and the last attempts of each deployment, in bounded memory.
 *
 * ```
 * calls     ring of 1,000 records: [ 1001 1002 │ 3 4 … 1000 ]   at: the oldest
 * attempts  deployment → ring of 64 attempts
 * ```
 */
export class RecentCalls implements CallsSource {
  private readonly kept = new Ring<KeptCall>(MOST_CALLS);
  private readonly attempts = new Map<string, Ring<AttemptRecord>>();

  constructor(
    private readonly now: () => number = Date.now,
    /** Attempts of deployments of which none is recorded yet. */
    private readonly earlier: (deploymentIds: readonly string[]) => AttemptWindow | undefined = () => undefined,
  ) {}

  /** Keeps a finished call. */
  readonly add = ({ logging: _, request: __, answer: ___, ...record }: CallRecord): void => {
    this.kept.push(record.model.length > LONGEST_MODEL ? { ...record, model: `${copiedStart(record.model, LONGEST_MODEL)}…` } : record);
    for (const attempt of record.attempts) this.attemptsOf(attempt.deploymentId).push(attempt);
  };

  /** The calls of the last minutes; `undefined` if there were none. */
  window(): AttemptWindow | undefined {
    return windowOf(this.kept.newestFirst(), this.now());
  }

  /** The attempts of deployments in the last minutes; `undefined` if there were none. */
  windowOf(deploymentIds: readonly string[]): AttemptWindow | undefined {
    const attempts = deploymentIds.flatMap((id) => this.attempts.get(id)?.newestFirst() ?? []);
    return windowOf(attempts, this.now()) ?? this.earlier(deploymentIds);
  }

  async calls({ filter, limit, after }: CallsQuestion): Promise<{ readonly calls: readonly CallSummary[]; readonly next?: string }> {
    const all = this.kept.newestFirst();
    const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
    if (after !== undefined && from === 0)
      throw new InvalidArgumentError('after', after, 'must be the cursor of a call that is still kept');
    const conditions = Object.entries(filter).filter((each): each is [keyof typeof VALUES, string] => each[1] !== undefined);
    const found = all.slice(from).filter((call) => conditions.every(([name, value]) => VALUES[name](call).includes(value)));
    const calls = found.slice(0, limit);
    return { calls: calls.map(shown), ...(found.length > limit && { next: calls[limit - 1].id }) };
  }

  async call(id: string): Promise<CallDetails | undefined> {
    const call = this.kept.newestFirst().find((each) => each.id === id);
    return call && { ...shown(call), attemptList: call.attempts.map(shownAttempt) };
  }

  private attemptsOf(id: string): Ring<AttemptRecord> {
    let ring = this.attempts.get(id);
    if (ring === undefined) {
      if (this.attempts.size >= MOST_DEPLOYMENTS) this.attempts.delete(this.attempts.keys().next().value as string);
      this.attempts.set(id, (ring = new Ring(MOST_ATTEMPTS)));
    }
    return ring;
  }
}

/** The last entries of a sequence. */
class Ring<T> {
  private readonly entries: T[] = [];
  /** Index of the oldest entry, when full. */
  private at = 0;

  constructor(private readonly most: number) {}

  push(entry: T): void {
    if (this.entries.length < this.most) this.entries.push(entry);
    else this.entries[this.at] = entry;
    this.at = (this.at + 1) % this.most;
  }

  newestFirst(): T[] {
    const { entries, most, at } = this;
    const oldestFirst = entries.length < most ? entries : [...entries.slice(at), ...entries.slice(0, at)];
    return oldestFirst.toReversed();
  }
}

/** The fields that conditions are compared with. */
const VALUES: Readonly<Record<SpendingBy | 'status' | 'keyAlias', (call: KeptCall) => readonly (string | undefined)[]>> = {
  team: ({ team }) => [team],
  key: ({ keyId, keyAlias }) => [keyId, keyAlias],
  keyAlias: ({ keyAlias }) => [keyAlias],
  user: ({ user }) => [user],
  model: ({ upstreamModel }) => [upstreamModel],
  modelGroup: ({ group, model }) => [group, model],
  tag: ({ tags }) => tags,
  endUser: ({ endUser }) => [endUser],
  provider: ({ provider }) => [provider],
  status: ({ status }) => [status],
};

function shown(call: KeptCall): CallSummary {
  const { nanoUsd, usage } = call;
  return {
    id: call.id,
    startedAt: new Date(call.startedAtMs),
    durationMs: call.durationMs,
    timeToFirstTokenMs: call.timeToFirstTokenMs ?? null,
    operation: call.operation,
    requestedModel: call.model,
    model: call.upstreamModel ?? null,
    modelGroup: call.group ?? null,
    deploymentId: call.deploymentId ?? null,
    provider: call.provider ?? null,
    key: call.keyId ?? null,
    keyAlias: call.keyAlias ?? null,
    user: call.user ?? null,
    team: call.team ?? null,
    endUser: call.endUser ?? null,
    tags: call.tags,
    sessionId: call.sessionId ?? null,
    requestId: call.requestId ?? null,
    ip: call.ip ?? null,
    status: call.status,
    errorCode: call.errorCode ?? null,
    httpStatus: call.httpStatus ?? null,
    ...tokensOf(usage),
    cacheReadTokens: usage?.cacheRead ?? 0,
    cacheWriteTokens: usage?.cacheWrite ?? 0,
    reasoningTokens: usage?.reasoning ?? 0,
    usd: nanoUsd === undefined ? null : usdOf(nanoUsd),
    ...costsOf(call),
    cacheStatus: call.cacheStatus ?? '',
    isEstimated: call.isEstimated ?? false,
  };
}

function shownAttempt(attempt: AttemptRecord): SpendAttempt {
  return {
    number: attempt.number,
    startedAt: new Date(attempt.startedAtMs),
    durationMs: attempt.durationMs,
    timeToFirstTokenMs: attempt.timeToFirstTokenMs ?? null,
    modelGroup: attempt.group,
    deploymentId: attempt.deploymentId,
    provider: attempt.provider,
    model: attempt.upstreamModel,
    status: attempt.status,
    errorKind: attempt.errorKind ?? null,
    errorCode: attempt.errorCode ?? null,
    httpStatus: attempt.httpStatus ?? null,
    ...tokensOf(attempt.usage),
    nanoUsd: attempt.nanoUsd ?? null,
  };
}

function tokensOf(usage: RecordedUsage | undefined): Pick<CallSummary, 'promptTokens' | 'completionTokens'> {
  return { promptTokens: usage?.prompt ?? 0, completionTokens: usage?.completion ?? 0 };
}

function costsOf({ nanoUsd = 0, costParts = {} }: KeptCall): Pick<CallSummary, `cost${string}` & keyof CallSummary> {
  const { input = 0, output = 0, cacheRead = 0, cacheCreation = 0 } = costParts;
  const costOther = nanoUsd - input - output - cacheRead - cacheCreation;
  return { costInput: input, costOutput: output, costCacheRead: cacheRead, costCacheWrite: cacheCreation, costOther };
}
