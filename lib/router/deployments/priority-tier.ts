import type { EngineChoice } from '../../engine/engine-choice.js';
import type { Chooser } from '../selection/strategies/chooser.js';
import type { Deployment } from './deployment.js';
import type { DeploymentStates } from '../state/deployment-states.js';
import { Lottery } from '../selection/alias-table.js';
import type { OrderSettings } from '../selection/strategies/member-order.js';
import { orderedBy } from '../selection/strategies/strategy-factory.js';
import { Fact, FACTS, Question, QUESTION_LENGTH, type Members, type RouterEngine } from '../engine/engine.js';
import { minuteOf } from '../state/memory.js';
import { respectsLimits, Standing, standingOf, usageOf } from '../selection/eligibility.js';
import { Order } from '../selection/strategies/strategies.js';
import type { Watcher } from '../selection/strategies/watcher.js';

/** A deployment and where its state is kept. */
export interface Placed {
  readonly deployment: Deployment;
  readonly slot: number;
}

const NOBODY = new Uint8Array();
const ORDERS = Object.keys(Order).length;

/** Deployments of one group and of one `order`: those that are chosen among. What orders them is made when it is asked for first. */
export class Level implements Members {
  readonly slots: Int32Array;
  /** The same as in `placed`, without a step between. */
  readonly deployments: readonly Deployment[];
  readonly models: readonly string[];
  readonly facts: Float64Array;
  readonly unlimited: boolean;
  private readonly choosers = new Array<(Chooser & Pick<Watcher, 'forget'>) | undefined>(ORDERS).fill(undefined);
  private readonly question = new Float64Array(QUESTION_LENGTH);
  private positions: Map<string, number> | undefined = undefined;
  /** A ranking may be behind what other threads do. */
  private readonly isShared: boolean;
  /** Inputs up to this fit all that the order prefers. */
  private readonly mostUnasked: number;

  constructor(
    readonly placed: readonly Placed[],
    private readonly choice: EngineChoice<RouterEngine>,
    readonly group: string,
    private readonly states: DeploymentStates,
    private readonly settings: OrderSettings,
  ) {
    this.slots = Int32Array.from(placed, ({ slot }) => slot);
    this.deployments = placed.map(({ deployment }) => deployment);
    this.models = placed.map(({ deployment }) => deployment.model);
    this.facts = factsOf(placed);
    this.isShared = states.memory.isShared;
    const smallestWindow = placed.reduce((least, { deployment }) => Math.min(least, deployment.maxInputTokens), Infinity);
    this.mostUnasked = placed.some(({ deployment }) => deployment.tpm !== Infinity) ? Math.min(smallestWindow, 1) : smallestWindow;
    this.unlimited = placed.every(
      ({ deployment: { rpm, tpm, maxParallelRequests } }) => rpm === Infinity && tpm === Infinity && maxParallelRequests === Infinity,
    );
    this.question[Question.limits] = settings.limits ? 1 : 0;
    this.question[Question.buffer] = settings.buffer;
    this.question[Question.sampleTtlMs] = settings.sampleTtlMs;
  }

  /**
   * The position of the deployment that the order prefers, or -1 when none may be chosen.
   * @param excluded 1 at positions that may not be chosen.
   * @param takesTurn Whether it is the last among equals from then on.
   */
  pick(order: Order, nowMs: number, inputTokens: number, excluded: Uint8Array | null, takesTurn: boolean): number {
    const chooser = this.choosers[order] ?? this.chooserBy(order);
    let position = chooser.best(nowMs);
    if (position < 0 || this.isShared || excluded !== null || inputTokens > this.mostUnasked)
      position = this.checked(position, order, nowMs, inputTokens, excluded);
    if (takesTurn && position >= 0) chooser.chosen(position, nowMs);
    return position;
  }

  /** The slow way: looks at every deployment, with everything that a request can ask. */
  scan(order: Order, nowMs: number, inputTokens: number, excluded: Uint8Array | null, anyHealth: boolean): number {
    const { question, choice } = this;
    if (order === Order.cost) this.price();
    question[Question.order] = order;
    question[Question.nowMs] = nowMs;
    question[Question.inputTokens] = inputTokens;
    question[Question.random] = this.settings.random();
    question[Question.anyHealth] = anyHealth ? 1 : 0;
    const scan = (engine: RouterEngine): number => engine.scan(this.states.memory, this, excluded ?? NOBODY, question);
    return choice.run('scan', this.group, scan, this.slots.length);
  }

  /** It was chosen: among equals it is the last now. */
  chosen(position: number, order: Order, nowMs: number): void {
    this.choosers[order]?.chosen(position, nowMs);
  }

  /** 1 at the positions of these ids, or `null` where none of them is here. */
  maskOf(ids: readonly string[] | undefined): Uint8Array | null {
    if (ids === undefined || ids.length === 0) return null;
    this.positions ??= new Map(this.placed.map(({ deployment }, position) => [deployment.id, position]));
    let mask: Uint8Array | null = null;
    for (const id of ids) {
      const position = this.positions.get(id);
      if (position !== undefined) (mask ??= new Uint8Array(this.placed.length))[position] = 1;
    }
    return mask;
  }

  standing(position: number, order: Order, nowMs: number, inputTokens: number, anyHealth: boolean): Standing {
    const limits = this.settings.limits || respectsLimits(order);
    return standingOf(this.states.memory, this, position, nowMs, inputTokens, limits, anyHealth);
  }

  /** Whether a request that is booked already is within the limits of its deployment. */
  admits(position: number, order: Order, nowMs: number, inputTokens: number): boolean {
    const at = position * FACTS;
    const { memory } = this.states;
    const slot = this.slots[position];
    if (memory.inFlightOf(slot) > this.facts[at + Fact.maxParallel]) return false;
    if (!this.settings.limits && !respectsLimits(order)) return true;
    const { requests, tokens } = usageOf(memory, slot, minuteOf(nowMs));
    return requests <= this.facts[at + Fact.rpm] && tokens - inputTokens + Math.max(inputTokens, 1) <= this.facts[at + Fact.tpm];
  }

  /** The same where it is still free and takes this request, else another one that is and does. */
  private checked(position: number, order: Order, nowMs: number, inputTokens: number, excluded: Uint8Array | null): number {
    if (position === -1) return position;
    const isLeft = position >= 0 && (excluded === null || excluded[position] === 0);
    if (isLeft && this.standing(position, order, nowMs, inputTokens, false) === Standing.free) return position;
    return this.scan(order, nowMs, inputTokens, excluded, false);
  }

  private chooserBy(order: Order): Chooser {
    const { choice, group, states, settings } = this;
    if (order === Order.shuffle) {
      const lottery = (this.choosers[order] = new Lottery(choice, group, states, this, settings));
      states.watchers.listen(lottery);
      return lottery;
    }
    if (order === Order.cost) this.price();
    const ordered = (this.choosers[order] = orderedBy({ choice, group, memory: states.memory, members: this, order, settings }));
    states.watchers.watch(ordered, this.slots);
    return ordered;
  }

  /** Asks for the prices: late, since most never do, and a table of prices is large. */
  private price(): void {
    for (const [position, { deployment }] of this.placed.entries()) this.facts[position * FACTS + Fact.cost] = deployment.costPerToken;
  }

  /** Lets go of what hears of changes. */
  close(): void {
    for (const chooser of this.choosers) if (chooser !== undefined) this.states.watchers.unwatch(chooser);
  }
}

/** What does not change of these deployments, as the engines read it. */
export function factsOf(placed: readonly Placed[]): Float64Array {
  const facts = new Float64Array(placed.length * FACTS);
  for (const [position, { deployment }] of placed.entries()) {
    const at = position * FACTS;
    facts[at + Fact.rpm] = deployment.rpm;
    facts[at + Fact.tpm] = deployment.tpm;
    facts[at + Fact.maxParallel] = deployment.maxParallelRequests;
    facts[at + Fact.maxInputTokens] = deployment.maxInputTokens;
    facts[at + Fact.weight] = deployment.weight;
  }
  return facts;
}
