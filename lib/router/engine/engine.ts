import type { EngineName } from '../../common/capability.js';
import type { RouterMemory } from '../state/memory.js';

/** Inputs of an engine and its second result: indices in a `Float64Array`. */
export const Question = {
  /** The number of a `Strategy`. */
  strategy: 0,
  nowMs: 1,
  /** Tokens of the request's input; 0 when unknown. */
  inputTokens: 2,
  /** From 0 to 1, without 1. */
  random: 3,
  /** 1: rpm and tpm limit under every strategy. */
  limits: 4,
  /** 1: failed health checks are ignored. */
  anyHealth: 5,
  /** Share by which a latency may exceed the lowest and still count as equal. */
  buffer: 6,
  /** Samples of latency expire after this time. */
  sampleTtlMs: 7,
  /**
   * 0: this request can reach no limit and no context window, so that only cooldowns and health
   * checks matter.
   */
  limited: 8,
  /** Written by the engine: how many deployments are eligible. */
  count: 9,
} as const;
export const QUESTION_LENGTH = 10;

/** Numbers of a deployment, which do not change while it is registered, but for the turn. */
export const Fact = {
  /** Requests per minute; `Infinity` without a limit. */
  rpm: 0,
  /** Tokens per minute. */
  tpm: 1,
  maxParallel: 2,
  maxInputTokens: 3,
  /** `NaN` if none is set. */
  weight: 4,
  /** USD for an input token and an output token. */
  cost: 5,
  /**
   * Number of the last selection that took it: of equals the one with the lowest turn is selected.
   */
  turn: 6,
} as const;
export const FACTS = 7;

/** The deployments that are compared. */
export interface Members {
  /** Their slots in the memory. */
  readonly slots: Int32Array;
  /** `FACTS` columns, each with a number per member. */
  readonly facts: Float64Array;
}

/** Returns where a fact of the member at `position` is in `facts`. */
export function factIndex({ slots }: Members, fact: number, position: number): number {
  return fact * slots.length + position;
}

/**
 * Selects one of several deployments: contract and injection token in one. Both engines give the
 * same answers. Synchronous and without a clock: the time is an argument.
 */
export abstract class RouterEngine {
  abstract readonly engine: EngineName;

  /**
   * Opens the state of `capacity` deployments. In the native engine all threads of the process that
   * open the same name share it; without a name, and in the TypeScript engine, it belongs to this
   * engine.
   */
  abstract open(name: string | null, capacity: number): RouterMemory;

  /**
   * Returns a deployment's slot in a named state, the same in all threads, or -1 when all slots are
   * taken.
   */
  abstract slot(name: string, id: string): number;

  /**
   * Returns the position of the eligible member that the strategy prefers, or -1. Of equals the
   * lowest turn wins, of equal turns the question's random number decides. `simple_shuffle` draws
   * by weight, else by rpm, else by tpm, else evenly.
   * @param excluded 1 at the positions that are excluded; may be empty.
   */
  abstract scan(memory: RouterMemory, members: Members, excluded: Uint8Array, question: Float64Array): number;
}
