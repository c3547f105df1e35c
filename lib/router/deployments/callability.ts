/** Why a deployment cannot be called, and what its operator can do about it. */
export interface Uncallable {
  /** Why the deployment cannot be called. */
  readonly reason: string;
  /** What to change. */
  readonly mend: string;
}

/** What is found out of a deployment before it is used. */
export interface DeploymentVerdict {
  /** Whose deployment it is: `anthropic` of `claude-sonnet-4-5`. */
  readonly provider: string;
  readonly uncallable?: Uncallable;
  /** Something that its operator should know, though it can be called. */
  readonly note?: string;
}

/** Asked of every deployment when it is read: the router itself calls none, and knows no provider. */
export type CheckDeployment = (deployment: {
  readonly id: string;
  readonly model: string;
  readonly params: Readonly<Record<string, unknown>>;
}) => DeploymentVerdict;

/** Which deployments the app calls itself: all, or those of these providers. */
export type CalledByApp = boolean | readonly string[];

/** One deployment that cannot be called, as it is told. */
export interface Finding extends Uncallable {
  readonly id: string;
}

const MOST_NAMED = 20;

/** All findings of one list, in one message. */
export function findingsMessage(findings: readonly Finding[], deployments: number): string {
  const lines = findings.map(({ id, reason, mend }) => `${id}: ${reason}${mend === '' ? '' : `; ${mend}`}`);
  return listed(`${findings.length} of ${deployments} deployments cannot be called and get no requests`, lines);
}

/** A message of many lines, with an end. */
export function listed(title: string, lines: readonly string[]): string {
  const more = lines.length > MOST_NAMED ? [`and ${lines.length - MOST_NAMED} more`] : [];
  return [`${title}:`, ...lines.slice(0, MOST_NAMED), ...more].join('\n  ');
}

export function isCalledByApp(calledByApp: CalledByApp, provider: string): boolean {
  return typeof calledByApp === 'boolean' ? calledByApp : calledByApp.includes(provider);
}
