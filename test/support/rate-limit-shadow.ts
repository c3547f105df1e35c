import { createHash } from 'node:crypto';
import type { ChainableCommander, Redis } from 'ioredis';
import { DecisionField } from '../../lib/rate-limit/engine/engine.js';
import type { Ask, PolicyKey, PolicySpec } from '../../lib/rate-limit/engine/engine.js';
import { compilePolicy } from '../../lib/rate-limit/algorithm/policy.js';
import { ScriptCall } from '../../lib/rate-limit/redis/script-call.js';
import {
  OperationKind,
  ReplyField,
  standingAt,
  windowId,
  type RedisOperation,
  type RedisScope,
} from '../../lib/rate-limit/redis/protocol.js';
import { rateLimitScript } from '../../lib/rate-limit/redis/script.js';
import { TypeScriptRateLimitEngine } from '../../lib/rate-limit/engine/typescript.js';

const FOREVER_MS = 1e12;
/** Operations of one script call, like those of one turn of the event loop. */
const MOST_IN_A_CALL = 8;

/** The Lua script with the time of the history instead of Redis's, and keys without expiry. */
export const TIMELESS_SCRIPT = rateLimitScript()
  .replace(/local time = [^\n]*\n/, 'local ms = cjson.decode(ARGV[1])[6]\nlocal time = { floor(ms / 1000), ms % 1000 * 1000 }\n')
  .replace(/('PSETEX', KEYS\[key\]), [^,]+,/g, `$1, ${FOREVER_MS},`);
const SHA = createHash('sha1').update(TIMELESS_SCRIPT).digest('hex');

/** An operation, and what the engine answered to it; nothing where the script answers nothing. */
interface Asked {
  readonly operation: RedisOperation;
  readonly answer?: readonly number[];
}

/** Operations that the script performs in one call, or a command to Redis itself. */
type Call = { readonly nowMs: number; readonly asked: Asked[] } | { readonly send: (pipeline: ChainableCommander) => void };

/**
 * The TypeScript engine beside a Redis with the same operations; compares their answers at the end.
 */
export class ShadowedEngine extends TypeScriptRateLimitEngine {
  private readonly scopes = new Map<number, Omit<RedisScope, 'stateKey'> & { readonly name: string }>();
  /** Those that are taken, by the key that they are kept under, with the time of their taking. */
  private readonly slots = new Map<string, { readonly slot: string; readonly atMs: number }[]>();
  private readonly calls: Call[] = [];
  private taken = 0;
  private latestMs = 0;

  override policy(spec: PolicySpec): number {
    const handle = super.policy(spec);
    this.scopes.set(handle, scopeOf(spec));
    return handle;
  }

  override check(...args: Parameters<TypeScriptRateLimitEngine['check']>): number {
    const [, scope, ask] = args;
    return this.decided(super.check(...args), [this.redisScope(scope)], OperationKind.take, ask);
  }

  override peek(...args: Parameters<TypeScriptRateLimitEngine['peek']>): number {
    const [, scope, ask] = args;
    return this.decided(super.peek(...args), [this.redisScope(scope)], OperationKind.peek, ask);
  }

  override checkAll(...args: Parameters<TypeScriptRateLimitEngine['checkAll']>): number {
    const [, scopes, ask] = args;
    const redis = scopes.map((scope) => this.redisScope(scope));
    return this.decided(super.checkAll(...args), redis, OperationKind.take, ask);
  }

  override settle(...args: Parameters<TypeScriptRateLimitEngine['settle']>): void {
    const [, scope, { reservedTokens, actualTokens, takenAtMs, nowMs }] = args;
    super.settle(...args);
    this.call([this.redisScope(scope)], OperationKind.give, [0, reservedTokens - actualTokens, takenAtMs], nowMs);
  }

  override release(...args: Parameters<TypeScriptRateLimitEngine['release']>): void {
    super.release(...args);
    const [, scope, takenAtMs] = args;
    const { slotsKey } = this.redisScope(scope);
    const slots = this.slots.get(slotsKey) ?? [];
    const place = slots.findIndex(({ atMs }) => takenAtMs === Infinity || atMs === takenAtMs);
    if (place < 0) return;
    const [{ slot }] = slots.splice(place, 1);
    this.calls.push({ send: (pipeline) => pipeline.zrem(slotsKey, slot) });
  }

  override reset(...args: Parameters<TypeScriptRateLimitEngine['reset']>): void {
    super.reset(...args);
    const scope = this.redisScope(args[1]);
    this.slots.delete(scope.slotsKey);
    this.call([scope], OperationKind.reset, [], this.latestMs);
  }

  async compare(client: Redis): Promise<void> {
    const pipeline = client.pipeline().flushall();
    for (const call of this.calls) {
      if ('send' in call) call.send(pipeline);
      else {
        pipeline.callBuffer('evalsha', ...argumentsAt(scriptCall(call.asked), call.nowMs));
      }
    }
    const replies = ((await pipeline.exec()) ?? []).slice(1);
    if (replies.length !== this.calls.length) throw new Error(`${replies.length} replies to ${this.calls.length} calls`);
    replies.forEach(([error, reply], i) => {
      if (error !== null) throw error;
      const call = this.calls[i];
      if ('send' in call) return;
      const told = scriptCall(call.asked);
      const numbers = told.read(reply);
      call.asked.forEach(({ operation, answer }, place) => {
        if (answer !== undefined) compareAnswers(i, numbers.subarray(told.starts[place]), answer, operation.scopes.length > 1);
      });
    });
  }

  private redisScope({ policy, key }: PolicyKey): RedisScope {
    const { name, slotsKey, limits } = this.scopes.get(policy) as Omit<RedisScope, 'stateKey'> & { name: string };
    const stateKey = `${name}/${key}`;
    return { stateKey, slotsKey: slotsKey && `${stateKey}${slotsKey}`, limits };
  }

  private decided(code: number, scopes: RedisScope[], kind: OperationKind, { cost, tokens, nowMs }: Ask): number {
    const slot = String(this.taken++);
    const places = kind === OperationKind.take && scopes.some(({ slotsKey }) => slotsKey !== '') ? [slot, FOREVER_MS] : [];
    this.call(scopes, kind, [cost, tokens, ...places], nowMs, [...this.lastDecision]);
    if (code !== 0 || kind === OperationKind.peek) return code;
    scopes.forEach(({ slotsKey }, i) => {
      const slots = this.slots.get(slotsKey);
      const taken = { slot: `${slot}.${i + 1}`, atMs: this.lastDecision[DecisionField.atMs] };
      if (slots === undefined) this.slots.set(slotsKey, [taken]);
      else slots.push(taken);
    });
    return code;
  }

  private call(scopes: RedisScope[], kind: OperationKind, values: (number | string)[], nowMs: number, answer?: number[]): void {
    this.latestMs = Math.max(this.latestMs, nowMs);
    const asked: Asked = { operation: { kind, tag: '', scopes, values }, answer };
    const last = this.calls.at(-1);
    if (last !== undefined && 'asked' in last && last.nowMs === nowMs && last.asked.length < MOST_IN_A_CALL) last.asked.push(asked);
    else this.calls.push({ nowMs, asked: [asked] });
  }
}

function argumentsAt(call: ScriptCall, nowMs: number): [string, number, ...string[]] {
  const { keys, argument } = call.encode();
  return [SHA, keys.length, ...keys, JSON.stringify([...(JSON.parse(argument) as unknown[]), false, false, nowMs])];
}

function scriptCall(asked: readonly Asked[]): ScriptCall {
  const call = new ScriptCall();
  for (const { operation } of asked) call.add(operation);
  return call;
}

function compareAnswers(i: number, numbers: Float64Array, answer: readonly number[], several: boolean): void {
  const index = numbers[ReplyField.scope];
  const [limit, requests, tokens, resetMs, tokensResetMs] = numbers.subarray(standingAt(index));
  const { code, retryAfterMs, atMs } = ReplyField;
  const given = [numbers[code], limit, requests, tokens, numbers[retryAfterMs], resetMs, tokensResetMs, numbers[atMs], index];
  // Of several scopes the engine sums up what is left, and the script tells of each.
  const told = ([code, limit, , , retryAfterMs, resetMs, , atMs, index]: readonly number[]): readonly number[] =>
    code === 0 ? [code, atMs] : [code, limit, retryAfterMs, resetMs, atMs, index];
  const view = several ? told : (all: readonly number[]): readonly number[] => all;
  const [seen, wanted] = [view(given), view(answer)];
  if (seen.some((number, field) => number !== wanted[field]))
    throw new Error(`call ${i}: Redis says ${seen.join()}, the engine ${wanted.join()}`);
}

/** A policy as the script knows it. Its keys are under its scope's name. */
function scopeOf(spec: PolicySpec): Omit<RedisScope, 'stateKey'> & { readonly name: string } {
  const { rate, burst, windows, tokensPerMinute, maxConcurrent } = compilePolicy(spec);
  const set = (limit: number): number => (limit === Infinity ? -1 : limit);
  const limits = [rate ?? -1, burst, set(tokensPerMinute), set(maxConcurrent)];
  for (const { lengthMs, requests, code } of windows) limits.push(windowId(lengthMs, code), set(requests));
  return { name: spec.scope ?? '', slotsKey: maxConcurrent === Infinity ? '' : '/running', limits };
}
