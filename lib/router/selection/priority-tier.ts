import type { EngineChoice } from '../../engine/engine-choice.js';
import type { Deployment } from '../deployments/deployment.js';
import { Fact, FACTS, factIndex, Question, QUESTION_LENGTH, type Members, type RouterEngine } from '../engine/engine.js';
import type { RouterMemory } from '../state/memory.js';
import type { RetryContext } from './tried-deployments.js';
import { AliasTable } from './alias-table.js';
import { ineligibilityOf, Ineligibility, type Scan } from './eligibility.js';
import type { Strategy } from './strategies/strategy.js';

/** A deployment, and its slot in the router's memory. */
export interface Placed {
  readonly deployment: Deployment;
  readonly slot: number;
}

/** A request that asks for a deployment. */
export interface SelectionRequest {
  readonly context: RetryContext;
  readonly inputTokens: number;
  readonly nowMs: number;
  /** The minute of `nowMs`. */
  readonly minute: number;
  /**
   * Time until the deployment's known quota allows the request, in milliseconds. Absent if limits
   * are not learned.
   */
  readonly quotaWaitMs?: (placed: Placed) => number;
  /** Whether the selected deployment comes last among equals from then on. */
  readonly takesTurn: boolean;
}

/** Dependencies shared by all tiers of a router. */
export interface TierContext {
  readonly choice: EngineChoice<RouterEngine>;
  /** Its memory is replaced by a larger one when deployments are added. */
  readonly states: { readonly memory: RouterMemory };
  readonly random: () => number;
  readonly settings: TierSettings;
}

export interface TierSettings {
  /** `true`: rpm and tpm limit under every strategy. */
  readonly enablePreCallChecks: boolean | undefined;
  readonly lowestLatencyBuffer: number;
  readonly sampleTtlMs: number;
}

const NONE_EXCLUDED = new Uint8Array();
const NO_IDS: readonly string[] = [];
/**
 * Draws from the alias table before all deployments are scanned: too many of those drawn are not
 * eligible.
 */
const DRAWS = 8;

/** The deployments of one model group with the same `order`, of which a strategy selects one. */
export class PriorityTier {
  readonly members: Members;
  private readonly question = new Float64Array(QUESTION_LENGTH);
  private positions: Map<string, number> | undefined = undefined;
  private table: AliasTable | undefined = undefined;
  private turn: number;
  private pricedMinute = -1;
  /**
   * Requests with more input tokens can reach a limit or a context window: all of them if a
   * deployment has a limit of its own.
   */
  private readonly unlimitedInput: number;

  constructor(
    readonly group: string,
    readonly order: number,
    readonly placed: readonly Placed[],
    private readonly context: TierContext,
  ) {
    const { settings, random } = context;
    const count = placed.length;
    this.members = membersOf(placed);
    const hasLimits = placed.some(
      ({ deployment: { rpm, tpm, maxParallelRequests } }) => Math.min(rpm, tpm, maxParallelRequests) < Infinity,
    );
    this.unlimitedInput = hasLimits ? -1 : placed.reduce((least, { deployment }) => Math.min(least, deployment.maxInputTokens), Infinity);
    // Every process starts with a different deployment.
    const first = Math.floor(random() * count);
    for (let position = 0; position < count; position++) this.setTurn(position, (position + count - first) % count);
    this.turn = count;
    this.question[Question.limits] = settings.enablePreCallChecks === true ? 1 : 0;
    this.question[Question.buffer] = settings.lowestLatencyBuffer;
    this.question[Question.sampleTtlMs] = settings.sampleTtlMs;
  }

  /**
   * Returns the position of the deployment that the strategy prefers, or -1 when none is eligible.
   */
  select(strategy: Strategy, request: SelectionRequest, anyHealth: boolean): number {
    const isRestricted = request.quotaWaitMs !== undefined || (request.context.excludeIds ?? NO_IDS).length > 0;
    const excluded = isRestricted ? this.excludedBy(request) : null;
    const drawn = strategy.figure === null && excluded === null ? this.draw(this.scanOf(strategy, request, anyHealth)) : -1;
    if (drawn >= 0) return drawn;
    if (strategy.needsPrices) this.price(request.minute);
    const { question } = this;
    question[Question.strategy] = strategy.number;
    question[Question.nowMs] = request.nowMs;
    question[Question.inputTokens] = request.inputTokens;
    question[Question.limited] = request.inputTokens > this.unlimitedInput ? 1 : 0;
    question[Question.random] = this.context.random();
    question[Question.anyHealth] = anyHealth ? 1 : 0;
    const position = this.scan(excluded ?? NONE_EXCLUDED);
    if (request.takesTurn && position >= 0) this.setTurn(position, this.turn++);
    return position;
  }

  /** The deployments of this tier, as `ineligibilityOf` looks at them. */
  scanOf({ respectsLimits }: Strategy, request: SelectionRequest, anyHealth: boolean): Scan {
    const { states, settings } = this.context;
    const { inputTokens, nowMs, minute } = request;
    return {
      memory: states.memory,
      members: this.members,
      nowMs,
      minute,
      inputTokens,
      limited: inputTokens > this.unlimitedInput,
      limits: settings.enablePreCallChecks === true || respectsLimits,
      anyHealth,
      sampleTtlMs: settings.sampleTtlMs,
    };
  }

  /**
   * 1 at the positions of `excludeIds` and of those whose quota does not allow the request; `null`
   * if none of them is in this tier.
   */
  excludedBy({ context, quotaWaitMs }: SelectionRequest): Uint8Array | null {
    let mask: Uint8Array | null = null;
    const exclude = (position: number): void => void ((mask ??= new Uint8Array(this.placed.length))[position] = 1);
    this.positionsOf(context.excludeIds ?? NO_IDS).forEach(exclude);
    if (quotaWaitMs !== undefined) {
      for (const [position, placed] of this.placed.entries()) if (quotaWaitMs(placed) > 0) exclude(position);
    }
    return mask;
  }

  private positionsOf(ids: readonly string[]): number[] {
    const positions = (this.positions ??= new Map(this.placed.map(({ deployment }, position) => [deployment.id, position])));
    return ids.flatMap((id) => positions.get(id) ?? []);
  }

  /** Draws by weight until a deployment is eligible; -1 when none was found. */
  private draw(scan: Scan): number {
    this.table ??= new AliasTable(this.members);
    for (let draw = 0; draw < DRAWS; draw++) {
      const position = this.table.draw(this.context.random());
      if (ineligibilityOf(scan, position) === Ineligibility.none) return position;
    }
    return -1;
  }

  private scan(excluded: Uint8Array): number {
    const { choice, states } = this.context;
    const { members, question } = this;
    const { memory } = states;
    const scan = (engine: RouterEngine): number => engine.scan(memory, members, excluded, question);
    const count = members.slots.length;
    const engine = choice.alwaysFor(count);
    if (engine === null) return choice.run('scan', this.group, scan, count);
    try {
      return scan(engine);
    } catch (error) {
      return choice.recover(error, engine, scan);
    }
  }

  private setTurn(position: number, turn: number): void {
    this.members.facts[factIndex(this.members, Fact.turn, position)] = turn;
  }

  /**
   * Reads the prices, once a minute: they may come from a large table of the app, and may change
   * there.
   */
  private price(minute: number): void {
    if (minute === this.pricedMinute) return;
    this.pricedMinute = minute;
    for (const [position, { deployment }] of this.placed.entries())
      this.members.facts[factIndex(this.members, Fact.cost, position)] = deployment.costPerToken;
  }
}

/** Returns the deployments as engines read them, without prices. */
export function membersOf(placed: readonly Placed[]): Members {
  const members = { slots: Int32Array.from(placed, ({ slot }) => slot), facts: new Float64Array(placed.length * FACTS) };
  for (const [position, { deployment }] of placed.entries()) {
    const set = (fact: number, value: number): void => void (members.facts[factIndex(members, fact, position)] = value);
    set(Fact.rpm, deployment.rpm);
    set(Fact.tpm, deployment.tpm);
    set(Fact.maxParallel, deployment.maxParallelRequests);
    set(Fact.maxInputTokens, deployment.maxInputTokens);
    set(Fact.weight, deployment.weight);
  }
  return members;
}
