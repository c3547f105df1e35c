import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { Redis, type ChainableCommander } from 'ioredis';
import { policySpecs, replay, type History, type Step } from '../../test/rate-limit-history.js';
import { answersTo, vectors } from '../../test/rate-limit-vectors.js';
import { hasRedis, RedisServer } from '../../test/redis-server.js';
import type { PolicySpec } from './rate-limit.engine.js';
import { policyOf } from './rate-limit.policy.js';
import { TypeScriptRateLimitEngine } from './rate-limit.typescript.js';
import {
  decodeReply,
  encodeOperations,
  OperationKind,
  ReplyField,
  standingAt,
  windowId,
  type RedisScope,
} from './rate-limit-protocol.redis.js';
import { RATE_LIMIT_SCRIPT } from './rate-limit-script.redis.js';

/** `LONG=1` replays as many random histories as the contract asks for. */
const HISTORIES = process.env.LONG ? 100_000 : 300;
const FOREVER_MS = 1e12;

/** The script with the time of the call for Redis's, and keys that outlive the test: its time goes by in no time. */
const TIMELESS = RATE_LIMIT_SCRIPT.replace(
  /local time = [^\n]*\nlocal clock = [^\n]*\n/,
  'local clock = cjson.decode(ARGV[1])[5]\n',
).replace('KEYS[key], s[ENDS]', "KEYS[key], '99999' .. s[ENDS]");

const TIMELESS_SHA = createHash('sha1').update(TIMELESS).digest('hex');

type Call = (pipeline: ChainableCommander) => void;

/** The TypeScript engine, with a Redis that is asked the same; their answers are compared in the end. */
class ShadowedEngine extends TypeScriptRateLimitEngine {
  private readonly specs = new Map<number, PolicySpec>();
  private readonly slots = new Map<string, string[]>();
  private readonly calls: Call[] = [];
  /** Of the engine; `undefined` where the script answers nothing. */
  private readonly answers: (number[] | undefined)[] = [];
  private readonly several = new Set<number>();
  private taken = 0;

  override policy(spec: PolicySpec): number {
    const handle = super.policy(spec);
    this.specs.set(handle, spec);
    return handle;
  }

  override check(...args: Parameters<TypeScriptRateLimitEngine['check']>): number {
    const [, policy, key, cost, tokens, nowMs] = args;
    return this.decided(super.check(...args), [this.scope(policy, key)], OperationKind.take, cost, tokens, nowMs);
  }

  override peek(...args: Parameters<TypeScriptRateLimitEngine['peek']>): number {
    const [, policy, key, cost, tokens, nowMs] = args;
    return this.decided(super.peek(...args), [this.scope(policy, key)], OperationKind.peek, cost, tokens, nowMs);
  }

  override checkAll(...args: Parameters<TypeScriptRateLimitEngine['checkAll']>): number {
    const [, policies, keys, cost, tokens, nowMs] = args;
    const scopes = keys.map((key, i) => this.scope(policies[i], key));
    return this.decided(super.checkAll(...args), scopes, OperationKind.take, cost, tokens, nowMs);
  }

  override settle(...args: Parameters<TypeScriptRateLimitEngine['settle']>): void {
    const [, policy, key, reserved, actual, atMs, nowMs] = args;
    super.settle(...args);
    this.call([this.scope(policy, key)], OperationKind.give, [0, reserved - actual, atMs], nowMs);
  }

  override release(...args: Parameters<TypeScriptRateLimitEngine['release']>): void {
    super.release(...args);
    const { slotsKey } = this.scope(args[1], args[2]);
    const slot = this.slots.get(slotsKey)?.pop();
    if (slot !== undefined) this.push((pipeline) => pipeline.zrem(slotsKey, slot));
  }

  override reset(...args: Parameters<TypeScriptRateLimitEngine['reset']>): void {
    super.reset(...args);
    const scope = this.scope(args[1], args[2]);
    this.slots.delete(scope.slotsKey);
    this.call([scope], OperationKind.reset, [], 0);
  }

  async compare(client: Redis): Promise<void> {
    const pipeline = client.pipeline().flushall();
    this.calls.forEach((call) => call(pipeline));
    const replies = ((await pipeline.exec()) ?? []).slice(1);
    replies.forEach(([error, reply], i) => {
      if (error !== null) throw error;
      const answer = this.answers[i];
      if (answer === undefined) return;
      const numbers = decodeReply(reply);
      const index = numbers[ReplyField.scope];
      const [limit, requests, tokens, resetMs, tokensResetMs] = numbers.subarray(standingAt(index));
      const { code, retryAfterMs, atMs } = ReplyField;
      const given = [numbers[code], limit, requests, tokens, numbers[retryAfterMs], resetMs, tokensResetMs, numbers[atMs], index];
      // Of several scopes the engine sums up what is left, and the script tells of each.
      const told = ([code, limit, , , retryAfterMs, resetMs, , atMs, index]: number[]): number[] =>
        code === 0 ? [code, atMs] : [code, limit, retryAfterMs, resetMs, atMs, index];
      const view = this.several.has(i) ? told : (all: number[]): number[] => all;
      expect({ i, given: view(given) }).toEqual({ i, given: view(answer) });
    });
  }

  private scope(policy: number, key: string): RedisScope {
    const spec = this.specs.get(policy) as PolicySpec;
    const { rate, burst, windows, tokensPerMinute, maxConcurrent } = policyOf(
      spec,
      () => 0,
      () => 0,
    );
    const set = (limit: number): number => (limit === Infinity ? -1 : limit);
    const numbers = [rate ?? -1, burst, set(tokensPerMinute), set(maxConcurrent)];
    for (const { lengthMs, requests, code } of windows) numbers.push(windowId(lengthMs, code), set(requests));
    const stateKey = `${spec.scope}/${key}`;
    return { stateKey, slotsKey: maxConcurrent === Infinity ? '' : `${stateKey}/running`, limits: numbers };
  }

  private decided(code: number, scopes: RedisScope[], kind: OperationKind, cost: number, tokens: number, nowMs: number): number {
    const slot = String(this.taken++);
    this.call(scopes, kind, kind === OperationKind.take ? [cost, tokens, slot, FOREVER_MS] : [cost, tokens], nowMs);
    this.answers[this.calls.length - 1] = [...this.lastDecision];
    if (scopes.length > 1) this.several.add(this.calls.length - 1);
    if (code !== 0 || kind === OperationKind.peek) return code;
    scopes.forEach(({ slotsKey }, i) => {
      const slots = this.slots.get(slotsKey);
      if (slots === undefined) this.slots.set(slotsKey, [`${slot}.${i + 1}`]);
      else slots.push(`${slot}.${i + 1}`);
    });
    return code;
  }

  private call(scopes: RedisScope[], kind: OperationKind, values: (number | string)[], nowMs: number): void {
    const encoded = encodeOperations([{ kind, tag: '', scopes, values }]);
    const request = JSON.stringify([...(JSON.parse(encoded.pop() as string) as unknown[]), false, false, nowMs]);
    this.push((pipeline) => pipeline.callBuffer('evalsha', TIMELESS_SHA, encoded.length, ...encoded, request));
  }

  private push(call: Call): void {
    this.calls.push(call);
    this.answers.push(undefined);
  }
}

const policy: fc.Arbitrary<PolicySpec> = policySpecs
  .filter((spec) => Object.keys(spec).some((name) => name !== 'burst' && name !== 'windowMs'))
  .map((spec) => ({ ...spec, scope: JSON.stringify(spec) }));
const which = { policy: fc.nat({ max: 2 }), key: fc.constantFrom('a', 'b', '') };
const amounts = { cost: fc.constantFrom(1, 1, 1, 1, 0, 2, 5, 30), tokens: fc.constantFrom(0, 1, 10, 50, 400) };
const scopes = fc.array(fc.tuple(which.policy, which.key), { minLength: 1, maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ call: fc.constant('check' as const), ...which, ...amounts }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('peek' as const), ...which, ...amounts }) },
  { weight: 5, arbitrary: fc.record({ call: fc.constant('checkAll' as const), scopes, ...amounts }) },
  { weight: 6, arbitrary: fc.record({ call: fc.constant('settle' as const), taking: fc.nat(), actual: amounts.tokens }) },
  { weight: 8, arbitrary: fc.record({ call: fc.constant('release' as const), ...which }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('reset' as const), ...which }) },
);
// Never back: Redis does not note the time of a refusal, so it would know less of it than the engines.
const advance = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 10, 100, 500, 999, 1000, 1001) },
  { weight: 2, arbitrary: fc.nat({ max: 20_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(59_999, 60_000, 60_001, 61_000, 3_600_000, 86_400_000) },
);
const history: fc.Arbitrary<History> = fc.record({
  policies: fc.array(policy, { minLength: 3, maxLength: 3 }),
  steps: fc.array(fc.tuple(advance, step), { minLength: 1, maxLength: 120, size: 'max' }),
});

(hasRedis ? describe : describe.skip)('the script in Redis', () => {
  let server: RedisServer;
  let client: Redis;

  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.url);
    await client.script('LOAD', TIMELESS);
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  it.each(vectors.cases.filter(({ memoryOnly }) => !memoryOnly).map((vector) => [vector.name, vector] as const))(
    'answers as the engine in memory: %s',
    async (_, vector) => {
      const engine = new ShadowedEngine();
      const answers = answersTo(engine, vector);
      expect(answers.map(({ answer }) => answer)).toEqual(answers.map(({ expected }) => expected));
      await engine.compare(client);
    },
  );

  it('answers random histories as the engine in memory, and as an exact log allows', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (given) => {
        const engine = new ShadowedEngine();
        replay(engine, given);
        await engine.compare(client);
      }),
      { numRuns: HISTORIES },
    );
  }, 3_600_000);
});
