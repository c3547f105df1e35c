import fc from 'fast-check';
import { deployment, routerEngines, routerOn, type StandingClock } from '../../../test/support/router-engines.js';
import type { RoutedSelection } from '../routing-context.js';
import type { RouterService } from '../router.service.js';

/** One step of a history; numbers choose among what there is at the time. */
type Step =
  | { readonly call: 'acquire'; readonly inputTokens: number; readonly excluded: number }
  | { readonly call: 'succeed' | 'cancel'; readonly pick: number; readonly tokens: number; readonly latencyMs: number }
  | { readonly call: 'fail'; readonly pick: number; readonly status: number }
  | { readonly call: 'wait'; readonly ms: number };

const index = fc.nat({ max: 1_000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ call: fc.constant('acquire' as const), inputTokens: fc.constantFrom(0, 0, 3, 12), excluded: index }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      call: fc.constantFrom('succeed' as const, 'cancel' as const),
      pick: index,
      tokens: fc.integer({ min: 0, max: 9 }),
      latencyMs: fc.integer({ min: 0, max: 50 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ call: fc.constant('fail' as const), pick: index, status: fc.constantFrom(429, 500, 400, 408, 401) }),
  },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('wait' as const), ms: fc.constantFrom(1, 500, 4_999, 5_000, 30_000, 60_000) }) },
);
const params = fc.record(
  {
    rpm: fc.constantFrom(2, 5, 20),
    tpm: fc.constantFrom(10, 40),
    max_parallel_requests: fc.constantFrom(1, 3),
    order: fc.constantFrom(1, 2),
    cooldown_time: fc.constantFrom(0, 2, 40),
    input_cost_per_token: fc.constantFrom(1, 2, 3),
  },
  { requiredKeys: [] },
);
const history = fc.record({
  strategy: fc.constantFrom('least_busy', 'latency_based', 'cost_based', 'usage_based', 'simple_shuffle'),
  deployments: fc.array(params, { minLength: 1, maxLength: 12 }),
  steps: fc.array(step, { minLength: 1, maxLength: 120 }),
  seed: fc.nat(),
});

/** What a router should know of a deployment, kept without any of its structures. */
interface Model {
  inFlight: number;
  minute: number;
  requests: number;
  tokens: number;
  ok: number;
  failed: number;
  coolingUntil: number;
  latencies: number[];
}

/** A router, and beside it the plain account of what it was told. */
class Accounted {
  readonly models: Model[];
  private readonly open: { pick: RoutedSelection; at: number; minute: number; tokens: number }[] = [];

  constructor(
    private readonly router: RouterService,
    private readonly clock: StandingClock,
    private readonly given: readonly Record<string, number | undefined>[],
    private readonly strategy: string,
  ) {
    this.models = given.map(() => ({ inFlight: 0, minute: 0, requests: 0, tokens: 0, ok: 0, failed: 0, coolingUntil: 0, latencies: [] }));
  }

  /** Takes a step, holds the choice against the account, and says what was chosen. */
  take(step: Step): string {
    switch (step.call) {
      case 'wait':
        this.clock.pass(step.ms);
        return '';
      case 'acquire':
        return this.acquire(step.inputTokens, step.excluded);
      default:
        return this.giveBack(step);
    }
  }

  private acquire(inputTokens: number, excluded: number): string {
    const excludeIds = excluded % 4 === 0 ? [`d${excluded % this.models.length}`] : [];
    const free = this.models.map((_, at) => at).filter((at) => !excludeIds.includes(`d${at}`) && this.isFree(at, inputTokens));
    const lowest = Math.min(...free.map((at) => this.given[at].order ?? Infinity));
    const level = free.filter((at) => (this.given[at].order ?? Infinity) === lowest);
    let pick: RoutedSelection;
    try {
      pick = this.router.acquire('gpt-4', { inputTokens, excludeIds });
    } catch {
      expect(level).toEqual([]);
      return 'none';
    }
    const at = Number(pick.deployment.id.slice(1));
    expect(level).toContain(at);
    if (this.strategy !== 'simple_shuffle') {
      const least = Math.min(...level.map((one) => this.figure(one)));
      expect(this.figure(at)).toBeCloseTo(least, 6);
    }
    const model = this.current(at);
    model.inFlight++;
    model.requests++;
    model.tokens += inputTokens;
    this.open.push({ pick, at, minute: model.minute, tokens: inputTokens });
    return pick.deployment.id;
  }

  private giveBack(step: Exclude<Step, { call: 'wait' | 'acquire' }>): string {
    if (this.open.length === 0) return '';
    const [{ pick, at, minute, tokens }] = this.open.splice(step.pick % this.open.length, 1);
    const model = this.current(at);
    model.inFlight--;
    const used = step.call === 'fail' ? 0 : step.tokens;
    if (used > tokens || minute === model.minute) model.tokens += used - tokens;
    if (step.call === 'fail') {
      this.router.failed(pick, { status: step.status });
      if (step.status === 408) model.latencies.push(1_000_000);
      if (step.status !== 400) this.failed(at, step.status);
    } else if (step.call === 'cancel') this.router.cancelled(pick, { promptTokens: used });
    else {
      this.router.succeeded(pick, { latencyMs: step.latencyMs, promptTokens: used });
      model.ok++;
      model.latencies.push(step.latencyMs);
    }
    return '';
  }

  private failed(at: number, status: number): void {
    const model = this.models[at];
    model.failed++;
    const seconds = this.given[at].cooldown_time ?? 5;
    const total = model.ok + model.failed;
    const lone = this.models.length === 1;
    const refused = status === 401;
    const cools = refused || (lone ? total >= 1_000 && model.ok === 0 : status === 429 || (total >= 5 && model.failed / total > 0.5));
    if (!cools || seconds === 0) return;
    model.coolingUntil = Math.max(model.coolingUntil, this.clock.nowMs + seconds * 1_000);
    model.latencies = [];
  }

  private current(at: number): Model {
    const model = this.models[at];
    const minute = Math.floor(this.clock.nowMs / 60_000);
    if (model.minute !== minute) Object.assign(model, { minute, requests: 0, tokens: 0, ok: 0, failed: 0 });
    return model;
  }

  private isFree(at: number, inputTokens: number): boolean {
    const { coolingUntil, inFlight, requests, tokens } = this.current(at);
    const { rpm = Infinity, tpm = Infinity, max_parallel_requests: parallel = Infinity } = this.given[at];
    if (coolingUntil > this.clock.nowMs || inFlight >= parallel) return false;
    if (this.strategy === 'simple_shuffle' || this.strategy === 'least_busy') return true;
    return requests < rpm && tokens + Math.max(inputTokens, 1) <= tpm;
  }

  private figure(at: number): number {
    const { inFlight, tokens, latencies } = this.current(at);
    if (this.strategy === 'least_busy') return inFlight;
    if (this.strategy === 'usage_based') return tokens;
    if (this.strategy === 'cost_based') return this.given[at].input_cost_per_token ?? Number.MAX_VALUE;
    const last = latencies.slice(-10);
    return last.length === 0 ? 0 : last.reduce((sum, ms) => sum + ms, 0) / last.length;
  }
}

/** Numbers that look random, the same for both engines. */
function generator(seed: number): () => number {
  let state = seed + 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

describe('random histories', () => {
  it('get the selections of a plain model, alike in both engines, and leave no request in flight', () => {
    fc.assert(
      fc.property(history, ({ strategy, deployments, steps, seed }) => {
        const modelList = deployments.map((own, at) => deployment(`d${at}`, own));
        const chosen = routerEngines().map((engine) => {
          const { router, clock } = routerOn(engine, { strategy, modelList }, { random: generator(seed) });
          const account = new Accounted(router, clock, deployments, strategy);
          const answers = steps.map((taken) => account.take(taken));
          expect(router.status().map(({ inFlight }) => inFlight)).toEqual(account.models.map(({ inFlight }) => inFlight));
          return answers;
        });
        for (const other of chosen) expect(other).toEqual(chosen[0]);
      }),
      { numRuns: 400 },
    );
  });
});
