import type { EngineName } from '../../common/capability.js';
import type { RouterMemory } from '../state/memory.js';

/** What is asked of an engine, and where it writes more than one number back: places in a `Float64Array`. */
export const Question = {
  /** An `Order`. */
  order: 0,
  nowMs: 1,
  /** Tokens of the request's input; 0 when unknown. */
  inputTokens: 2,
  /** From 0 to 1, without 1. */
  random: 3,
  /** 1: rpm and tpm refuse, whatever the order. */
  limits: 4,
  /** 1: failed health checks do not count. */
  anyHealth: 5,
  /** Latencies within this share of the lowest count as equal. */
  buffer: 6,
  /** Samples of latency are forgotten after this time. */
  sampleTtlMs: 7,
  /** Written: when the answer has to be found anew, at the latest. */
  wakeAtMs: 8,
  /** Written: how many may be chosen. */
  count: 9,
} as const;
export const QUESTION_LENGTH = 10;

/** What does not change of a deployment while it is registered: `FACTS` numbers each, in the order of the members. */
export const Fact = {
  /** Requests a minute; `Infinity` without a limit. */
  rpm: 0,
  /** Tokens a minute. */
  tpm: 1,
  maxParallel: 2,
  maxInputTokens: 3,
  /** `NaN` where none is set. */
  weight: 4,
  /** USD for a token in and a token out. */
  cost: 5,
} as const;
export const FACTS = 6;

/** The deployments that are chosen among: their slots in the memory, and their facts. */
export interface Members {
  readonly slots: Int32Array;
  readonly facts: Float64Array;
  /** Whether none of them has a limit of its own: rpm, tpm or requests at a time. */
  readonly unlimited?: boolean;
}

/**
 * What takes time with many deployments: contract and injection token in one. Twins give the same answers. What a request needs for an ordinary
 * choice (a draw, the top of a ranking, a counter) is done on `RouterMemory` by whoever holds it, as a call over the border would cost more than that.
 *
 * Synchronous, and without a clock: the instant is part of the question.
 */
export abstract class RouterEngine {
  abstract readonly engine: EngineName;

  /**
   * State of `capacity` deployments: of all threads of the process that open this name with this capacity, exactly, in the native engine; of its own
   * without a name, and in the TypeScript one.
   */
  abstract open(name: string | null, capacity: number): RouterMemory;

  /** The slot of a deployment in a named state, the same in all threads, or -1 when there are as many as its capacity. */
  abstract slot(name: string, id: string): number;

  /**
   * The position of the best member by the question's order that may be chosen now, or -1. Among equals the question's random number decides.
   * `Order.shuffle`: by weight, else by rpm, else by tpm (what is missing counts as 0), else all alike.
   * @param excluded 1 at the positions that may not be chosen, or empty.
   */
  abstract scan(memory: RouterMemory, members: Members, excluded: Uint8Array, question: Float64Array): number;

  /**
   * Ranks all members: `keys` receives their figures (`Infinity` where one may not be chosen), `winners` the tournament over them, leaves at `winners.length / 2`;
   * of equal figures the lower tie wins. Positions behind the members have the key `Infinity` already.
   */
  abstract rank(
    memory: RouterMemory,
    members: Members,
    question: Float64Array,
    keys: Float64Array,
    ties: Int32Array,
    winners: Int32Array,
  ): void;

  /**
   * Vose's alias table over the members that do not cool and are healthy, which take the first `count` places: a place is drawn evenly, and gives `aliases[2 * place]`
   * with the chance `chances[place]`, else `aliases[2 * place + 1]`.
   */
  abstract lottery(memory: RouterMemory, members: Members, question: Float64Array, chances: Float64Array, aliases: Int32Array): void;
}
