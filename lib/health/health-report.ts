import type { Capability, CapabilityHealth, HealthOf } from '../common/capability.js';
import { errorMessage } from '../common/errors.js';

/** The health of all capabilities. */
export interface HealthReport {
  /** The worst status of all components. */
  readonly status: CapabilityHealth['status'];
  readonly components: Readonly<Record<string, CapabilityHealth>>;
}

const RANK = { ok: 0, degraded: 1, down: 2 } as const;
const latest = new WeakMap<Capability, CapabilityHealth>();

/** Runs the checks of all capabilities. A check that throws means `down`. */
export async function checkHealthAsync(capabilities: readonly Capability[]): Promise<HealthReport> {
  const ask = askOnce();
  return report(capabilities, await Promise.all(capabilities.map(async (capability) => settle(capability, ask(capability)))));
}

/** The same without waiting: with the latest result of an asynchronous check, or `degraded`. */
export function checkHealth(capabilities: readonly Capability[]): HealthReport {
  const ask = askOnce();
  const answers = capabilities.map((capability) => {
    const answer = ask(capability);
    if (!(answer instanceof Promise)) return answer;
    const before = latest.get(capability);
    void settle(capability, answer);
    return before ?? failure('degraded', 'its first check has not finished');
  });
  return report(capabilities, answers);
}

type Answer = CapabilityHealth | Promise<CapabilityHealth>;

/** Checks each capability once, for the report and for other capabilities that depend on it. */
function askOnce(): (capability: Capability) => Answer {
  const answers = new Map<Capability, Answer>();
  const of = (capability: Capability): Answer => {
    let answer = answers.get(capability);
    if (answer === undefined) answers.set(capability, (answer = capability.health(of as HealthOf)));
    return answer;
  };
  return (capability) => {
    try {
      return of(capability);
    } catch (error) {
      return failure('down', errorMessage(error));
    }
  };
}

async function settle(capability: Capability, answer: Answer): Promise<CapabilityHealth> {
  const health = await Promise.resolve(answer).catch((error: unknown) => failure('down', errorMessage(error)));
  latest.set(capability, health);
  return health;
}

function report(capabilities: readonly Capability[], answers: readonly CapabilityHealth[]): HealthReport {
  const status = answers.reduce<HealthReport['status']>((worst, { status }) => (RANK[status] > RANK[worst] ? status : worst), 'ok');
  return { status, components: Object.fromEntries(capabilities.map(({ capability }, i) => [capability, answers[i]])) };
}

/** A failed check names the TypeScript engine: calls fall back on it. */
function failure(status: 'degraded' | 'down', reason: string): CapabilityHealth {
  return { status, engine: 'typescript', reason };
}
