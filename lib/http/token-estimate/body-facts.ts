import type { Fields } from '../../common/objects.js';
import { askedSearches } from './asked-searches.js';
import { mayHaveSound } from './asked-sound.js';
import { askedTier, type DearTier } from './asked-tier.js';
import { dropsLimit, limitsOutput, readOutput, type OutputFields } from './asked-output.js';
import { UNLIMITED_OUTPUT } from './worst-cost.js';

/** Where a request keeps the facts about its body, from its guard to its call. */
export interface FactsMemory {
  facts: BodyFacts | undefined;
}

/**
 * Facts about the body of a request that decide what it may use and cost. Each is computed when it
 * is first read, and kept.
 */
export class BodyFacts {
  /** Tokens of its prompt, once they are counted. */
  promptTokens: number | undefined = undefined;
  private json: string | undefined = undefined;
  private readFields: OutputFields | undefined = undefined;
  private foundTier: DearTier | null | undefined = undefined;
  private foundSound: boolean | undefined = undefined;
  private foundSearches: number | undefined = undefined;

  /** @param outline The same with marks in place of long texts, for a body that has bytes. */
  constructor(
    readonly body: Fields,
    private readonly outline: Fields = body,
  ) {}

  /** Those of a request's body, as it is now: apps may change a body in place. */
  static of(body: Fields, memory: FactsMemory): BodyFacts {
    const { facts } = memory;
    const json = jsonOf(body);
    if (facts?.isOf(body, json) === true) return facts;
    const made = new BodyFacts(body);
    made.json = json;
    memory.facts = made;
    return made;
  }

  /** Those that a request has kept of its body, if that is unchanged since; otherwise new ones. */
  static known(body: Fields, memory: FactsMemory | undefined): BodyFacts {
    const facts = memory?.facts;
    return facts?.isOf(body, jsonOf(body)) === true ? facts : new BodyFacts(body);
  }

  /** The fields that say how much is to be written. */
  get output(): OutputFields {
    return (this.readFields ??= readOutput(this.outline));
  }

  /**
   * Whether a field of the request's own API limits its output, and nothing lifts the limit.
   * @param operation Names the API (`chat`). Default: the API whose prompt the body has
   */
  isLimited(operation?: string): boolean {
    return limitsOutput(this.outline, this.output, operation) && !this.dropsLimit;
  }

  /**
   * Whether nothing limits its output for certain, not even a default of a deployment: it names a
   * figure that its API ignores, or takes a default away.
   */
  isUnlimited(operation?: string): boolean {
    const { tokens, liftsDefault } = this.output;
    return (tokens > 0 || liftsDefault) && !this.isLimited(operation);
  }

  /** Tokens of one choice that it may be answered with; `undefined` if it names no figure. */
  mostOutput(operation?: string): number | undefined {
    const { tokens } = this.output;
    if (tokens === 0) return undefined;
    return this.isLimited(operation) ? tokens : Math.max(tokens, UNLIMITED_OUTPUT);
  }

  /** Whether `additional_drop_params` remove a limit of the output before it is sent. */
  get dropsLimit(): boolean {
    return dropsLimit(this.body);
  }

  /** The service tier that it sets, if that is more expensive than the standard one. */
  get tier(): DearTier | undefined {
    if (this.foundTier === undefined) this.foundTier = askedTier(this.outline) ?? null;
    return this.foundTier ?? undefined;
  }

  /** Whether its messages or its input may have sound in them. */
  get hasSound(): boolean {
    return (this.foundSound ??= mayHaveSound(this.outline));
  }

  /** The most web searches that its provider may run. */
  get searches(): number {
    return (this.foundSearches ??= askedSearches(this.outline));
  }

  private isOf(body: object, json: string | undefined): boolean {
    return body === this.body && json !== undefined && json === this.json;
  }
}

function jsonOf(body: object): string | undefined {
  try {
    return JSON.stringify(body);
  } catch {
    // A cycle or a `bigint`: the facts about such a body are found each time.
    return undefined;
  }
}
