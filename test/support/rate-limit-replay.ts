import { DecisionCode, DecisionField } from '../../lib/rate-limit/engine/engine.js';
import type { PolicySpec, RateLimitEngine } from '../../lib/rate-limit/engine/engine.js';
import type { Ask, History, Step } from './rate-limit-history.js';
import { leftOf, limitsOver, Oracle, type Counter, type LimitName, type Taking } from './rate-limit-oracle.js';

const START_MS = 1_700_000_000_000;
/** One of so many denied checks is repeated after its retryAfterMs. */
const ASKED_AGAIN = 3;
/** Takings of a release by key, which belongs to no request. */
const WHICHEVER = Infinity;

const NAMES: Readonly<Record<number, LimitName>> = {
  [DecisionCode.second]: 'requestsPerSecond',
  [DecisionCode.minute]: 'requestsPerMinute',
  [DecisionCode.hour]: 'requestsPerHour',
  [DecisionCode.day]: 'requestsPerDay',
  [DecisionCode.window]: 'requestsPerWindow',
  [DecisionCode.tokens]: 'tokensPerMinute',
  [DecisionCode.concurrency]: 'maxConcurrent',
};

type Scope = readonly [policy: number, key: string];

/** A call of the engine with its arguments, to replay it on another engine. */
export type Call =
  | { readonly call: 'decide'; readonly ask: Ask; readonly nowMs: number; readonly answer: readonly number[] }
  | {
      readonly call: 'settle';
      readonly scope: Scope;
      readonly reserved: number;
      readonly actual: number;
      readonly atMs: number;
      readonly nowMs: number;
    }
  | { readonly call: 'release'; readonly scope: Scope; readonly atMs: number }
  | { readonly call: 'reset'; readonly scope: Scope };

/**
 * Replays a history and checks each answer against an exact log: nothing is allowed over a limit,
 * nothing is denied that a window longer by a 60th allows, remaining is never too high, and
 * retryAfterMs is exact to the millisecond. Returns the calls with their answers; throws on an
 * error.
 */
export function judge(engine: RateLimitEngine, history: History): readonly Call[] {
  return inSpace(engine, history.policies, (run) => new Judgement(run, history.policies).of(history.steps));
}

/** Replays the calls on another engine. Throws if an answer differs. */
export function repeat(engine: RateLimitEngine, { policies }: History, calls: readonly Call[]): void {
  inSpace(engine, policies, (run) => {
    for (const [index, call] of calls.entries()) {
      const given = run(call);
      if (call.call !== 'decide') continue;
      for (let field = 0; field < call.answer.length; field++) {
        if (given[field] === call.answer[field]) continue;
        throw new Error(`call ${index}: ${engine.engine} answers ${given.join()}, the other engine ${call.answer.join()}`);
      }
    }
  });
}

/** Makes a call, and returns `lastDecision`. */
type Run = (call: Call) => Float64Array;

function inSpace<R>(engine: RateLimitEngine, policies: readonly PolicySpec[], work: (run: Run) => R): R {
  const space = engine.open(null, 1_000_000);
  const handles = policies.map((spec) => engine.policy(spec));
  try {
    return work((call) => perform(engine, space, handles, call));
  } finally {
    engine.close(space);
    // Each history has its own limits: removed here, or they would accumulate.
    for (const handle of handles) engine.closePolicy(handle);
  }
}

function perform(engine: RateLimitEngine, space: number, handles: readonly number[], call: Call): Float64Array {
  const { lastDecision } = engine;
  if (call.call !== 'decide') {
    const [policy, key] = call.scope;
    const scope = { policy: handles[policy], key };
    const { call: method } = call;
    if (method === 'release') engine.release(space, scope, call.atMs);
    else if (method === 'reset') engine.reset(space, scope);
    else {
      const { reserved: reservedTokens, actual: actualTokens, atMs: takenAtMs, nowMs } = call;
      engine.settle(space, scope, { reservedTokens, actualTokens, takenAtMs, nowMs });
    }
    return lastDecision;
  }
  const { ask, nowMs } = call;
  const asked = { cost: ask.cost, tokens: ask.tokens, nowMs };
  let code: number;
  if (ask.call === 'checkAll') {
    const scopes = ask.scopes.map(([policy, key]) => ({ policy: handles[policy], key }));
    code = engine.checkAll(space, scopes, asked);
  } else code = engine[ask.call](space, { policy: handles[ask.policy], key: ask.key }, asked);
  if (code !== lastDecision[DecisionField.code]) throw new Error(`answers ${code}, and says ${lastDecision[DecisionField.code]}`);
  return lastDecision;
}

/** An allowed request, and what it has not released yet. */
interface Passed {
  readonly tokens: number;
  readonly atMs: number;
  isSettled: boolean;
  readonly parts: { readonly scope: Scope; readonly taking: Taking; isReset: boolean; isReleased: boolean }[];
}

class Judgement {
  private readonly oracle = new Oracle();
  private readonly calls: Call[] = [];
  private readonly passed: Passed[] = [];
  private readonly ids: readonly string[];
  private nowMs = START_MS;
  /** The time of a space never runs backwards. */
  private latestMs = 0;
  /** Requests in the millisecond of a reset have no defined order, so the clock moves past it. */
  private leastMs = 0;
  private refusals = 0;

  constructor(
    private readonly perform: Run,
    private readonly policies: readonly PolicySpec[],
  ) {
    this.ids = policies.map(({ scope }) => scope ?? '');
  }

  of(steps: History['steps']): readonly Call[] {
    for (const [advanceMs, step] of steps) {
      this.nowMs = Math.max(this.nowMs + advanceMs, this.leastMs);
      this.step(step);
    }
    return this.calls;
  }

  private step(step: Step): void {
    switch (step.call) {
      case 'settle':
        return this.settle(this.recall(step.taking), step.actual);
      case 'finish':
        return this.finish(this.recall(step.taking));
      case 'release':
        return this.release([step.policy, step.key]);
      case 'reset':
        return this.reset([step.policy, step.key]);
      default:
        if (this.decide(step) !== DecisionCode.allowed && step.call === 'check') this.askAgain(step);
    }
  }

  private recall(taking: number): Passed | undefined {
    return this.passed[taking % Math.max(this.passed.length, 1)];
  }

  /** No other request comes in between, so retryAfterMs must be exact. */
  private askAgain(step: Ask): void {
    const told = this.calls.at(-1);
    if (told?.call !== 'decide' || this.refusals++ % ASKED_AGAIN > 0) return;
    const waitMs = told.answer[DecisionField.retryAfterMs];
    if (waitMs === Infinity) return;
    this.nowMs = told.answer[DecisionField.atMs] + waitMs - 1;
    if (waitMs > 1 && this.decide(step) === DecisionCode.allowed) throw new Error('passed before retryAfterMs');
    this.nowMs += 1;
    const after = this.decide(step);
    // Only a release makes room.
    if (after !== DecisionCode.allowed && after !== DecisionCode.concurrency) throw new Error(`denied by ${after} after retryAfterMs`);
  }

  private decide(ask: Ask): number {
    const answer = [...this.perform({ call: 'decide', ask, nowMs: this.nowMs, answer: [] })];
    this.calls.push({ call: 'decide', ask, nowMs: this.nowMs, answer });
    const atMs = this.time();
    if (answer[DecisionField.atMs] !== atMs) throw new Error(`decided at ${answer[DecisionField.atMs]}, and not at ${atMs}`);
    const scopes: readonly Scope[] = ask.call === 'checkAll' ? ask.scopes : [[ask.policy, ask.key]];
    const code = answer[DecisionField.code];
    if (code === DecisionCode.allowed) this.judgePermission(ask, scopes, atMs);
    else this.judgeRefusal(ask, scopes, answer, atMs);
    if (code === DecisionCode.allowed && ask.call !== 'peek') this.take(ask, scopes, atMs);
    this.judgeRest(ask, scopes, answer, atMs);
    return code;
  }

  private judgePermission({ cost, tokens }: Ask, scopes: readonly Scope[], atMs: number): void {
    const over = scopes.flatMap((scope, index) => {
      const times = this.timesNamed(scopes, index);
      return limitsOver(this.counter(scope), atMs, cost * times, tokens * times, times, false);
    });
    if (over.length > 0) throw new Error(`admitted over ${over.join()}`);
  }

  private judgeRefusal({ cost, tokens }: Ask, scopes: readonly Scope[], answer: readonly number[], atMs: number): void {
    const refusing = answer[DecisionField.index];
    const times = this.timesNamed(scopes, refusing);
    const over = limitsOver(this.counter(scopes[refusing]), atMs, cost * times, tokens * times, times, true);
    const name = NAMES[answer[DecisionField.code]];
    if (!over.includes(name)) throw new Error(`denied by ${name} where ${over.join() || 'nothing'} is over`);
  }

  /** Checks remaining: after the taking, or unchanged after a denial. */
  private judgeRest(ask: Ask, scopes: readonly Scope[], answer: readonly number[], atMs: number): void {
    const isSupposed = ask.call === 'peek' && answer[DecisionField.code] === DecisionCode.allowed;
    const lefts = (widened: boolean): { requests: number; tokens: number } => {
      const all = scopes.map((scope) => leftOf(this.counter(scope), atMs, widened));
      return { requests: Math.min(...all.map(({ requests }) => requests)), tokens: Math.min(...all.map(({ tokens }) => tokens)) };
    };
    const [least, most] = [lefts(true), lefts(false)];
    const told = { requests: answer[DecisionField.remainingRequests], tokens: answer[DecisionField.remainingTokens] };
    for (const what of ['requests', 'tokens'] as const) {
      // A peek returns what would remain after the taking.
      const given = isSupposed ? ask[what === 'requests' ? 'cost' : 'tokens'] : 0;
      const isPlaces = isSupposed && what === 'requests' && countsPlaces(this.policies[scopes[0][0]]);
      const supposed = told[what] + (isPlaces ? 1 : given);
      if (supposed > most[what] || supposed < least[what]) {
        throw new Error(`${told[what]} ${what} are said to be left, of ${least[what]} to ${most[what]}`);
      }
    }
  }

  private take({ cost, tokens }: Ask, scopes: readonly Scope[], atMs: number): void {
    const parts = scopes.map((scope) => {
      const counter = this.counter(scope);
      const taking: Taking = { atMs, cost, tokens };
      counter.takings.push(taking);
      counter.inFlight += 1;
      return { scope, taking, isReset: false, isReleased: false };
    });
    this.passed.push({ tokens, atMs, isSettled: false, parts });
  }

  private settle(passed: Passed | undefined, actual: number): void {
    if (passed === undefined || passed.isSettled) return;
    passed.isSettled = true;
    for (const { scope, taking } of passed.parts) {
      this.call({ call: 'settle', scope, reserved: passed.tokens, actual, atMs: passed.atMs, nowMs: this.nowMs });
      if (this.time() - taking.atMs < 60_000) taking.tokens = actual;
    }
  }

  /** Releases the concurrency slots of a request, except those that a reset has removed. */
  private finish(passed: Passed | undefined): void {
    for (const part of passed?.parts ?? []) {
      if (part.isReleased) continue;
      part.isReleased = true;
      this.call({ call: 'release', scope: part.scope, atMs: passed?.atMs ?? WHICHEVER });
      if (!part.isReset) this.counter(part.scope).inFlight -= 1;
    }
  }

  /** Releases by key, also if no request holds a slot. */
  private release(scope: Scope): void {
    this.call({ call: 'release', scope, atMs: WHICHEVER });
    const running = this.partsOf(scope).find(({ isReset, isReleased }) => !isReset && !isReleased);
    if (running === undefined) return;
    running.isReleased = true;
    this.counter(scope).inFlight -= 1;
  }

  private reset(scope: Scope): void {
    this.call({ call: 'reset', scope });
    this.oracle.reset(this.id(scope));
    for (const part of this.partsOf(scope)) part.isReset = true;
    this.leastMs = Math.max(this.nowMs, this.latestMs) + 1;
  }

  private call(call: Exclude<Call, { call: 'decide' }>): void {
    this.calls.push(call);
    this.perform(call);
  }

  private time(): number {
    this.latestMs = Math.max(this.latestMs, this.nowMs);
    return this.latestMs;
  }

  private partsOf(scope: Scope): Passed['parts'] {
    const id = this.id(scope);
    return this.passed.flatMap(({ parts }) => parts.filter((part) => this.id(part.scope) === id));
  }

  /** How often the scope of this index was named up to here. */
  private timesNamed(scopes: readonly Scope[], index: number): number {
    const id = this.id(scopes[index]);
    let times = 0;
    for (let i = 0; i <= index; i++) if (this.id(scopes[i]) === id) times += 1;
    return times;
  }

  private id([policy, key]: Scope): string {
    return `${this.ids[policy]} ${key}`;
  }

  private counter(scope: Scope): Counter {
    return this.oracle.counter(this.id(scope), this.policies[scope[0]]);
  }
}

function countsPlaces({ requestsPerSecond, requestsPerMinute, requestsPerHour, requestsPerDay, requestsPerWindow }: PolicySpec): boolean {
  return [requestsPerSecond, requestsPerMinute, requestsPerHour, requestsPerDay, requestsPerWindow].every((limit) => limit === undefined);
}
