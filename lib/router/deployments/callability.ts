import { visibleText } from '../../common/visible-text.js';

/** Why a deployment cannot be called, and how to fix it. */
export interface Uncallable {
  /** Why the deployment cannot be called. */
  readonly reason: string;
  /** Advice on what to change. */
  readonly remedy: string;
}

/** Result of the check of a deployment before its first use. */
export interface DeploymentVerdict {
  /** `anthropic` for `claude-sonnet-4-5`. */
  readonly provider: string;
  readonly uncallable?: Uncallable;
  /** A warning about a deployment that can be called. */
  readonly note?: string;
}

/**
 * Checks a deployment when it is read. The router itself does not call deployments, and does not
 * depend on providers.
 */
export type CheckDeployment = (deployment: {
  readonly id: string;
  readonly model: string;
  readonly params: Readonly<Record<string, unknown>>;
}) => DeploymentVerdict;

/** The deployments that the app calls itself: all, or those of these providers. */
export type CalledByApp = boolean | readonly string[];

/** Words of the warning that lists them; `doctor` recognizes it by them. */
export const CANNOT_BE_CALLED = 'deployments cannot be called and get no requests';

/** A deployment that cannot be called, as it is reported. */
export interface Finding extends Uncallable {
  readonly id: string;
}

const MOST_NAMED = 20;

/** Returns one message for all findings of a list. */
export function findingsMessage(findings: readonly Finding[], deployments: number): string {
  const lines = findings.map(({ id, reason, remedy }) => `${id}: ${reason}${remedy === '' ? '' : `; ${remedy}`}`);
  return listed(`${findings.length} of ${deployments} ${CANNOT_BE_CALLED}`, lines);
}

/** Returns a message with a bounded number of lines. */
export function listed(title: string, lines: readonly string[]): string {
  const more = lines.length > MOST_NAMED ? [`and ${lines.length - MOST_NAMED} more`] : [];
  return [`${title}:`, ...lines.slice(0, MOST_NAMED).map(visibleText), ...more].join('\n  ');
}

export function isCalledByApp(calledByApp: CalledByApp, provider: string): boolean {
  return typeof calledByApp === 'boolean' ? calledByApp : calledByApp.includes(provider);
}
