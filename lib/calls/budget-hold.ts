import { BudgetExceededError, UnsupportedRequestError } from '../common/http-errors.js';
import {
  requestedOutput,
  asksBackground,
  dropsLimit,
  liftsLimit,
  outputCap,
  type RequestedOutput,
} from '../http/token-estimate/requested-output.js';
import { affordableOutput, askedSearches, mayHaveSound, plainNanoUsd, worstNanoUsd } from '../http/token-estimate/worst-cost.js';
import type { RequestContext } from '../http/request-context.js';
import type { AttemptHold, HoldDenial } from '../http/request-hold.js';
import { pictureTokens } from './forwarded/form-media.js';
import { tierOfAttempt } from './answer/answer-cost.js';
import type { CallRequest } from './call-request.js';
import { namedBaseModel } from '../router/deployments/deployment.js';
import type { Selection } from './call-router.js';
import { addedFields } from '../providers/own-fields.js';

/** Operations whose answers are not priced by output tokens. */
export const WITHOUT_OUTPUT: ReadonlySet<string> = new Set(['embeddings', 'moderations', 'rerank', 'files', 'batches']);

/** Output tokens that a model can write; `null` if that is not known. */
export type MaxOutputOf = (model: string) => number | null;

/** That of a selection: `max_output_tokens` of its deployment, else the figure of its model. */
export function modelOutput({ deployment, model }: Selection, maxOutputOf: MaxOutputOf): number | null {
  const { max_output_tokens: stated } = deployment.info;
  return typeof stated === 'number' ? stated : maxOutputOf(namedBaseModel(deployment) ?? model);
}

/** An attempt, as its price is foreseen. */
export interface PricedAttempt {
  readonly call: {
    readonly request: RequestContext | undefined;
    readonly asked: CallRequest;
  };
  readonly selection: Selection;
  readonly promptTokens: number | undefined;
  /** Changes that a fallback makes to the request. */
  readonly target: { readonly overrides?: Readonly<Record<string, unknown>> };
}

/** Money held for an attempt. */
export interface OutputHold extends AttemptHold {
  /** Output tokens of each choice, if it pays for less than the request asks for. */
  readonly mostOutput?: number;
}

/** Budgets of one request that may each leave less. */
const MOST_CLAMPS = 4;

/**
 * Holds the most that an attempt can cost, before anything is sent: a retry or a fallback to a
 * dearer model can be denied, too, or gets less output if the budgets allow that (`clampOutput`).
 * @throws BudgetExceededError; UnsupportedRequestError for a model without a price, and for a
 * background response: its cost is never reported.
 */
export async function holdCost(attempt: PricedAttempt, maxOutputOf: MaxOutputOf): Promise<OutputHold | undefined> {
  const { request, asked } = attempt.call;
  if (request === undefined) return undefined;
  const { hold } = request;
  if (asked.operation === 'responses' && (asked.facts.output.isBackground || asksBackground(attempt.target.overrides ?? {})))
    throw unmetered(attempt);
  const priced = pricedOf(attempt, maxOutputOf);
  const whole = priced.costOf(priced.output) ?? hold.unpricedNanoUsd;
  if (whole === undefined) throw unpriced(attempt);
  let nano: number = whole;
  const usual = priced.usualCost();
  let mostOutput: number | undefined;
  for (let tries = 0; ; tries++) {
    const held = await hold.hold(nano, Math.min(usual ?? nano, nano));
    if (!('error' in held)) return mostOutput === undefined ? held : { ...held, mostOutput };
    const lowered = tries < MOST_CLAMPS ? loweredTo(attempt, priced, held, nano) : undefined;
    if (lowered === undefined) throw held.error;
    mostOutput = Math.floor(lowered.output / priced.choices);
    nano = lowered.nanoUsd;
  }
}

/**
 * A smaller answer to request instead: the request's own share, or half of the remaining money,
 * but at least a usual answer. If no call in flight will return money, all that is left.
 * `undefined`: the attempt stays denied.
 */
function loweredTo(
  attempt: PricedAttempt,
  priced: PricedOutput,
  { error, leftNanoUsd: left, ownNanoUsd: own }: HoldDenial,
  denied: number,
): { readonly output: number; readonly nanoUsd: number } | undefined {
  const { hold } = attempt.call.request ?? {};
  if (hold?.clampsOutput !== true || !priced.isLowered) return undefined;
  const usual = Math.min(priced.output, hold.leastOutput(attempt.selection.group) * priced.choices);
  const usualNano = priced.costOf(usual);
  if (usualNano === undefined) return undefined;
  const share = Math.max(own, Math.floor(left / 2), usualNano);
  // Requests more than is left, so that the error describes the lowered request.
  if (share > left && denied > usualNano) return { output: usual, nanoUsd: usualNano };
  const isHeld = error instanceof BudgetExceededError && error.reason === 'budget_held';
  if (share > left && isHeld) return undefined;
  const most = Math.min(share, left);
  const output = priced.outputFor(most);
  return output === undefined ? undefined : { output, nanoUsd: Math.min(most, priced.costOf(output) ?? most) };
}

/** Maximum cost of an attempt at its deployment's prices. */
interface PricedOutput {
  /** Tokens that are held for, of all choices. */
  readonly output: number;
  readonly choices: number;
  costOf(output: number): number | undefined;
  /** The cost with an answer of usual length; `undefined` if none is known. */
  usualCost(): number | undefined;
  /** Whether a lower limit of the output would be sent. */
  readonly isLowered: boolean;
  /** The most output that an amount pays; `undefined` if that is next to nothing. */
  outputFor(nanoUsd: number): number | undefined;
}

function pricedOf(attempt: PricedAttempt, maxOutputOf: MaxOutputOf): PricedOutput {
  const { call, selection, promptTokens = 0, target } = attempt;
  const { deployment, model, group } = selection;
  const { overrides } = target;
  const { operation, body, facts, soundTokens = 0 } = call.asked;
  const { defaults, fixed, isLifted, searches } = fixedFactsOf(deployment.params);
  const changed = overrides === undefined ? UNCHANGED : requestedOutput(overrides, operation);
  const choices = Math.max(facts.output.choices, changed.choices, defaults.choices, fixed.choices);
  const isDropped = facts.dropsLimit || isLifted;
  const asked = isDropped ? { tokens: 0, isLimited: false } : limitInForce(attempt, changed, defaults);
  // Both limits are sent if the deployment's field and the request's have different names.
  const limit = { tokens: Math.max(asked.tokens, fixed.tokens), isLimited: asked.isLimited || fixed.tokens > 0 };
  const most = modelOutput(selection, maxOutputOf);
  const prices = { sourced: deployment.pricesOf(model), tier: tierOfAttempt(attempt) };
  const prompt = {
    tokens: promptTokens + soundTokens + tokensOfPictures(attempt),
    hasSound: (body !== undefined && operation === 'audio') || facts.hasSound || (overrides !== undefined && mayHaveSound(overrides)),
    // The protocol decides which tools are sent, so the largest figure counts.
    searches: Math.max(facts.searches, searches, overrides === undefined ? 0 : askedSearches(overrides)),
  };
  const cap = WITHOUT_OUTPUT.has(operation) ? 0 : outputCap(limit, most, choices);
  return {
    output: Math.min(cap, (call.request?.hold.expectedOutput(group) ?? Infinity) * choices),
    choices,
    costOf: (output) => worstNanoUsd(prices, prompt, output),
    usualCost: () => {
      const usual = call.request?.hold.medianOutput(group);
      return usual === undefined ? undefined : plainNanoUsd(prices, prompt.tokens, Math.min(cap, usual * choices));
    },
    // Otherwise it would be dropped or replaced before it is sent.
    isLowered: !isDropped && fixed.tokens === 0 && cap > 0,
    outputFor: (nanoUsd) => affordableOutput(prices, prompt, { nanoUsd, cap }),
  };
}

/** Values that the parameters of a deployment add to each request. */
interface FixedFacts {
  readonly defaults: RequestedOutput;
  readonly fixed: RequestedOutput;
  /** Whether they remove a limit of the request. */
  readonly isLifted: boolean;
  readonly searches: number;
}

const UNCHANGED: RequestedOutput = { tokens: 0, isLimited: false, choices: 1 };
/** Keyed by the parameters, which are frozen. */
const fixedFacts = new WeakMap<object, FixedFacts>();

function fixedFactsOf(params: Readonly<Record<string, unknown>>): FixedFacts {
  let facts = fixedFacts.get(params);
  if (facts === undefined) {
    const added = addedFields(params);
    facts = {
      defaults: requestedOutput(params),
      fixed: requestedOutput(added),
      isLifted: dropsLimit(params) || liftsLimit(added),
      searches: Math.max(askedSearches(params), askedSearches(added)),
    };
    fixedFacts.set(params, facts);
  }
  return facts;
}

/** By the rule of the model that is called. */
function tokensOfPictures({ call, selection: { deployment, model } }: PricedAttempt): number {
  const { pictures } = call.asked;
  return pictures === undefined ? 0 : pictureTokens(pictures, namedBaseModel(deployment) ?? model);
}

/** The figure of a fallback comes before that of the request, and a deployment's is a default. */
function limitInForce(
  { call, target: { overrides } }: PricedAttempt,
  changed: RequestedOutput,
  defaults: RequestedOutput,
): Pick<RequestedOutput, 'tokens' | 'isLimited'> {
  const { maxTokens = 0, facts, operation } = call.asked;
  if (changed.isLimited) return changed;
  // If the fallback's API does not support its field, the request's value still applies.
  const tokens = Math.max(changed.tokens, maxTokens);
  if (facts.isUnlimited(operation) || (overrides !== undefined && liftsLimit(overrides))) return { tokens, isLimited: false };
  if (maxTokens > 0) return { tokens, isLimited: true };
  return changed.tokens > 0 ? changed : { tokens: defaults.tokens, isLimited: defaults.tokens > 0 };
}

function unmetered({ selection: { deployment } }: PricedAttempt): UnsupportedRequestError {
  const reason = 'a budget applies, and providers report the cost of a background response only after it has finished';
  return new UnsupportedRequestError({ param: 'background', provider: deployment.provider, reason, remedy: 'send the request without it' });
}

function unpriced({ selection: { deployment } }: PricedAttempt): UnsupportedRequestError {
  const remedy = 'the operator must set its price (input_cost_per_token), or rateLimit.budgets.unpricedUsd';
  return new UnsupportedRequestError({
    param: 'model',
    provider: deployment.provider,
    reason: `a budget applies, and the price of ${deployment.modelName} is not known`,
    remedy,
  });
}
