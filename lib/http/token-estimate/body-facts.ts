import type { Fields } from '../../common/objects.js';
import { requestedTier, type PremiumTier } from './requested-tier.js';
import { dropsLimit, limitsOutput, readOutput, type OutputFields } from './requested-output.js';
import { askedSearches, mayHaveSound, UNLIMITED_OUTPUT } from './worst-cost.js';

/** Where a request keeps the facts about its body, from its guard to its call. */
export interface FactsMemory {
  facts: BodyFacts | undefined;
}

/**
 * Facts about the body of a request that determine its usage and cost. Rarely needed ones are
 * computed when first read, and cached.
 */
export class BodyFacts {
  /** Tokens of its prompt, once they are counted. */
  promptTokens: number | undefined = undefined;
  /** The fields that say how much is to be written: every call reads them. */
  readonly output: OutputFields;
  private foundTier: PremiumTier | null | undefined = undefined;
  private foundSound: boolean | undefined = undefined;
  private foundSearches: number | undefined = undefined;

  /**
   * @param outline The same with marks instead of long texts, for a body that has bytes.
   * @param json The body as text, to see whether an app changes it in place.
   */
  constructor(
    readonly body: Fields,
    private readonly outline: Fields = body,
    private readonly json?: string,
  ) {
    this.output = readOutput(outline);
  }

  /** Those of a request's body, as it is now: apps may change a body in place. */
  static of(body: Fields, memory: FactsMemory): BodyFacts {
    const { facts } = memory;
    const json = jsonOf(body);
    if (json !== undefined && facts?.body === body && facts.json === json) return facts;
    return (memory.facts = new BodyFacts(body, body, json));
  }

  /** Those that a request has kept of its small body, if that is unchanged since. */
  static known(body: Fields, memory: FactsMemory | undefined): BodyFacts | undefined {
    const facts = memory?.facts;
    const isKept = facts?.body === body && facts.json !== undefined && facts.json === jsonOf(body);
    return isKept ? facts : undefined;
  }

  /**
   * Whether a field of the request's own API limits its output, and nothing lifts the limit.
   * @param operation Names the API (`chat`). Default: the API whose prompt the body has
   */
  isLimited(operation?: string): boolean {
    return this.output.tokens > 0 && limitsOutput(this.outline, this.output, operation) && !dropsLimit(this.body);
  }

  /**
   * Whether nothing limits its output for certain, not even a default of a deployment: it names a
   * number that its API ignores, or removes a default.
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
  get tier(): PremiumTier | undefined {
    if (this.foundTier === undefined) this.foundTier = requestedTier(this.outline) ?? null;
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
}

function jsonOf(body: object): string | undefined {
  try {
    return JSON.stringify(body);
  } catch {
    // A cycle or a `bigint`: the facts about such a body are not cached.
    return undefined;
  }
}
