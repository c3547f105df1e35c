import type { AttemptWindow } from '../calls/attempt-window.js';
import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { DeploymentState } from '../dashboard.source.js';
import { count, duration, share } from '../number-format.js';

/** Fewer failures, or slow attempts, are an accident. */
const FEWEST = 3;
const FAILING = 0.5;
const UNSTABLE = 0.1;
const SLOW_MS = 30_000;
const SLOW_FIRST_TOKEN_MS = 10_000;

export type Severity = 'good' | 'warn' | 'bad' | 'plain';

/** How a deployment or model group does, in a word. */
export interface StatusLabel {
  readonly severity: Severity;
  /** `failing`, `slow`, `available`, … */
  readonly word: string;
  /** The figures that explain it. */
  readonly reason?: string;
}

/** Judges the attempts of the last minutes: failing from 10 % on, then slow. */
export function attemptsStatus(window: AttemptWindow | undefined): StatusLabel | undefined {
  if (window === undefined) return undefined;
  const { attempts, failures, p95Ms = 0, firstTokenP95Ms = 0, cause, period = 'the last 5 minutes' } = window;
  const failing = failures / attempts;
  if (failures >= FEWEST && failing >= UNSTABLE) {
    const reason = `${failures} of ${attempts} attempts failed in ${period}, most with ${causeText(cause)}`;
    return { severity: failing >= FAILING ? 'bad' : 'warn', word: 'failing', reason };
  }
  if (attempts < FEWEST) return undefined;
  if (firstTokenP95Ms >= SLOW_FIRST_TOKEN_MS)
    return { severity: 'warn', word: 'slow', reason: `1 in 20 streams waits ${duration(firstTokenP95Ms)} or longer for its first token` };
  if (p95Ms >= SLOW_MS) return { severity: 'warn', word: 'slow', reason: `1 in 20 attempts takes ${duration(p95Ms)} or longer` };
  return undefined;
}

/** Judges a deployment by its state, then by its attempts. */
export function deploymentStatus(deployment: DeploymentState): StatusLabel {
  const { state, window, uncallable } = deployment;
  if (state === 'available') return attemptsStatus(window) ?? busy(deployment) ?? { severity: 'good', word: 'available' };
  if (state === 'cooling') return { severity: 'warn', word: 'in cooldown' };
  if (state === 'blocked') return { severity: 'plain', word: 'disabled' };
  return { severity: 'bad', word: state.replaceAll('_', ' '), reason: uncallable?.reason };
}

/** At one of its limits, so that requests go to other deployments or wait. */
function busy({ rpm, rpmLimit, tpm, tpmLimit, inFlight, parallelLimit }: DeploymentState): StatusLabel | undefined {
  const limits = [
    [rpm, rpmLimit, 'requests of this minute'],
    [tpm, tpmLimit, 'tokens of this minute'],
    [inFlight, parallelLimit, 'parallel requests'],
  ] as const;
  const full = limits.find(([used, limit]) => limit !== undefined && used >= limit);
  return full && { severity: 'warn', word: 'busy', reason: `${count(full[0])} of ${count(full[1] ?? 0)} ${full[2]} are used` };
}

/** A model group, summed up over its deployments. */
export interface GroupState {
  readonly group: string;
  readonly deployments: readonly DeploymentState[];
  readonly window?: AttemptWindow;
  readonly inFlight: number;
  readonly statusLabel: StatusLabel;
}

type GroupedState = Pick<DashboardSnapshot, 'deployments' | 'groupWindows'>;

/** The model groups, those that need attention first. */
export function groupsOf(snapshot: GroupedState): readonly GroupState[] {
  return groupStates(snapshot).toSorted((a, b) => RANK[b.statusLabel.severity] - RANK[a.statusLabel.severity]);
}

/** The model groups, in the order of the configuration. */
export function groupStates({ deployments, groupWindows }: GroupedState): readonly GroupState[] {
  return [...groupedBy(deployments ?? [], ({ group }) => group)].map(([group, own]): GroupState => {
    const window = groupWindows[group];
    const inFlight = own.reduce((sum, each) => sum + each.inFlight, 0);
    return { group, deployments: own, window, inFlight, statusLabel: groupStatus(own, window) };
  });
}

/** Values by name, in their order. */
export function groupedBy<T>(values: readonly T[], nameOf: (value: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(nameOf(value));
    if (group === undefined) groups.set(nameOf(value), [value]);
    else group.push(value);
  }
  return groups;
}

const RANK: Readonly<Record<Severity, number>> = { bad: 3, warn: 2, good: 1, plain: 0 };

function groupStatus(deployments: readonly DeploymentState[], window: AttemptWindow | undefined): StatusLabel {
  const available = deployments.filter(({ state }) => state === 'available');
  if (deployments.every(({ state }) => state === 'blocked'))
    return { severity: 'plain', word: 'disabled', reason: 'all of its deployments are disabled, so requests get an error' };
  if (available.length === 0) {
    const states = [...new Set(deployments.map((deployment) => deploymentStatus(deployment).word))].join(', ');
    return { severity: 'bad', word: 'unavailable', reason: `none of its ${deployments.length} deployments is available: ${states}` };
  }
  const statusLabel = attemptsStatus(window);
  if (statusLabel !== undefined) return statusLabel;
  if (available.length === deployments.length) return { severity: 'good', word: 'available' };
  return { severity: 'good', word: `${available.length} of ${deployments.length} available` };
}

const CAUSES: Readonly<Record<string, string>> = {
  authentication: 'a rejected API key',
  not_found: 'an unknown model or address',
  rate_limit: "the provider's rate limit",
  timeout: 'no answer in time',
  connection: 'a failed connection',
  server: 'a provider server error',
  malformed: 'an answer that cannot be read',
};

/** `no answer in time` for `timeout`. */
export function causeText(kind: string | undefined): string {
  return kind === undefined ? 'an unknown cause' : (CAUSES[kind] ?? kind.replaceAll('_', ' '));
}

/** Share of attempts that failed: `12%`. */
export function failedShare({ attempts, failures }: AttemptWindow): string {
  return share(failures / attempts);
}
