import { recordFailure, type FailedCall } from './cooldown.js';
import type { CallFailure } from './failures.js';

interface Given {
  readonly status?: number;
  readonly failure?: CallFailure;
  readonly deployment?: object;
  readonly settings?: object;
  readonly groupSize?: number;
  /** Of the last minute, this failure included. */
  readonly outcomes?: readonly [successes: number, failures: number];
  readonly fails?: number;
  /** The end of its cooldown before. */
  readonly until?: number;
}

function cooled({
  status = 500,
  failure = {},
  deployment = {},
  settings = {},
  groupSize = 2,
  outcomes = [0, 1],
  fails = 1,
  until = 0,
}: Given) {
  const counted: unknown[] = [];
  const cooled: unknown[] = [];
  const states = {
    memory: { coolingUntil: [0, 0, 0, until] },
    cool: (...facts: unknown[]) => cooled.push(facts),
    addFailure: (...facts: unknown[]) => counted.push(facts),
    addFail: () => fails,
    outcomesOf: () => ({ successes: outcomes[0], failures: outcomes[1] }),
  };
  const call: FailedCall = { deployment: { modelName: 'm', ...deployment } as never, slot: 3, groupSize, status, failure, nowMs: 7 };
  const general = new Map(Object.entries((settings as { general?: object }).general ?? {}));
  const all = { cooldownMs: 5000, fallbacks: { general }, defaultFallbacks: [], ...settings };
  const cooldown = recordFailure(call, states as never, all as never);
  expect(counted.every((each) => JSON.stringify(each) === '[3,7]')).toBe(true);
  expect(cooled).toEqual(cooldown === undefined ? [] : [[3, cooldown.untilMs]]);
  if (cooldown !== undefined) expect(cooldown.isExtended).toBe(until > 7);
  return { ms: cooldown === undefined ? 0 : cooldown.untilMs - 7, counted: counted.length };
}

describe('recordFailure', () => {
  it.each<[string, Given, number]>([
    ['401', { status: 401 }, 5000],
    ['404', { status: 404 }, 5000],
    ['401 of a lone deployment', { status: 401, groupSize: 1 }, 5000],
    ['429', { status: 429 }, 5000],
    ['429 of a lone deployment', { status: 429, groupSize: 1 }, 0],
    ['4 of 4', { outcomes: [0, 4] }, 0],
    ['5 of 5', { outcomes: [0, 5] }, 5000],
    ['half', { outcomes: [3, 3] }, 0],
    ['more than half', { outcomes: [3, 4] }, 5000],
    ['all of a lone deployment', { groupSize: 1, outcomes: [0, 999] }, 0],
    ['a thousand of a lone deployment', { groupSize: 1, outcomes: [0, 1000] }, 5000],
    ['a thousand of a lone deployment, and a success', { groupSize: 1, outcomes: [1, 1000] }, 0],
    ['without cooldowns', { status: 401, settings: { disableCooldowns: true } }, 0],
    ["the deployment's own time", { status: 401, deployment: { cooldownMs: 70 }, failure: { retryAfterMs: 60 } }, 70],
    ["the deployment's own time of none", { status: 401, deployment: { cooldownMs: 0 }, failure: { retryAfterMs: 60 } }, 0],
    ['the time that the provider asks for', { status: 429, failure: { retryAfterMs: 60 } }, 60],
    ['no time', { status: 429, settings: { cooldownMs: 0 } }, 0],
  ])('cools by the share of failures: %s', (_, given, ms) => {
    expect(cooled(given)).toEqual({ ms, counted: 1 });
  });

  it.each<[string, Given, number]>([
    ['as many as allowed', { settings: { allowedFails: 2 }, fails: 2 }, 0],
    ['one more', { settings: { allowedFails: 2 }, fails: 3 }, 5000],
    ['none allowed', { settings: { allowedFails: 0 }, fails: 1 }, 5000],
    ['one more, of a lone deployment', { settings: { allowedFails: 2 }, fails: 3, groupSize: 1 }, 0],
    [
      'one more, of a lone deployment with a fallback',
      { settings: { allowedFails: 2, general: { m: [{}] } }, fails: 3, groupSize: 1 },
      5000,
    ],
    ['one more, with a default fallback', { settings: { allowedFails: 2, defaultFallbacks: ['n'] }, fails: 3, groupSize: 1 }, 5000],
    ["the deployment's own number", { settings: { allowedFails: 9 }, deployment: { allowedFails: 2 }, fails: 3 }, 5000],
    ['an entry for the error', { settings: { allowedFailsPolicy: { InternalServerErrorAllowedFails: 1 } }, fails: 2 }, 5000],
    [
      'an entry for the error, of a lone deployment',
      { settings: { allowedFailsPolicy: { InternalServerErrorAllowedFails: 1 } }, fails: 2, groupSize: 1 },
      5000,
    ],
    ['three by default if only others have entries', { settings: { allowedFailsPolicy: { TimeoutErrorAllowedFails: 1 } }, fails: 3 }, 0],
    ['four by default if only others have entries', { settings: { allowedFailsPolicy: { TimeoutErrorAllowedFails: 1 } }, fails: 4 }, 5000],
    [
      "the deployment's own number before the router's entries",
      { settings: { allowedFailsPolicy: { InternalServerErrorAllowedFails: 9 } }, deployment: { allowedFails: 2 }, fails: 3 },
      5000,
    ],
    [
      "the deployment's own entries before all",
      {
        settings: { allowedFails: 0 },
        deployment: { allowedFails: 0, allowedFailsPolicy: { InternalServerErrorAllowedFails: 9 } },
        fails: 3,
      },
      0,
    ],
    [
      'an entry for content filters',
      { failure: { contentPolicy: true }, settings: { allowedFailsPolicy: { ContentPolicyViolationErrorAllowedFails: 9 } }, fails: 5 },
      0,
    ],
  ])('cools by the allowed failures: %s', (_, given, ms) => {
    expect(cooled(given)).toEqual({ ms, counted: 1 });
  });

  it.each([400, 403, 422, 499])('neither counts nor cools after %s, which is about the request', (status) => {
    expect(cooled({ status, settings: { allowedFails: 0 } })).toEqual({ ms: 0, counted: 0 });
  });

  it('counts failed connections if the settings say so', () => {
    expect(cooled({ status: 0, settings: { allowedFails: 0 } })).toEqual({ ms: 0, counted: 0 });
    expect(cooled({ status: 0, outcomes: [0, 5], settings: { countConnectionErrors: true } })).toEqual({ ms: 5000, counted: 1 });
    expect(cooled({ status: 500, outcomes: [0, 5], settings: { countConnectionErrors: false } })).toEqual({ ms: 5000, counted: 1 });
  });

  it.each([6, 7, 8])('extends the cooldown of a deployment that is in cooldown until %s ms', (until) => {
    expect(cooled({ status: 401, until })).toEqual({ ms: 5000, counted: 1 });
  });

  it('cools a wrong configuration at once, whatever its status', () => {
    const failure = { misconfigured: true, retryAfterMs: 60 };
    expect(cooled({ status: 400, failure })).toEqual({ ms: 5000, counted: 1 });
    expect(cooled({ status: 400, failure, deployment: { cooldownMs: 70 } })).toEqual({ ms: 70, counted: 1 });
    expect(cooled({ status: 400, failure, settings: { disableCooldowns: true } })).toEqual({ ms: 0, counted: 1 });
  });
});
