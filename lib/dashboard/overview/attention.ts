import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { duration, span, usd, words } from '../number-format.js';
import { groupedBy, groupsOf, attemptsStatus, type GroupState, type Severity } from './deployment-status.js';

/** Something that needs attention: what, why, and what to do. */
export interface AttentionItem {
  readonly severity: Severity;
  readonly title: string;
  readonly reason: string;
  readonly advice?: string;
  /** The page that shows more. */
  readonly page?: string;
}

/** Further names are counted. */
const SHOWN_NAMES = 3;
const RANK: readonly Severity[] = ['bad', 'warn', 'plain', 'good'];
/** Traffic has its own items: calls of models take as long as they take. */
const OF_TRAFFIC: readonly string[] = ['http', 'llm_client'];

const ADVICE: Readonly<Record<string, string>> = {
  authentication: 'Check the API key of its deployments.',
  not_found: 'Check the model name and api_base of its deployments.',
  rate_limit: 'Add a deployment, set rpm and tpm to what the provider allows, or use learnLimits.',
  timeout: "Check the provider's status; add a deployment or a fallback, or raise the timeout.",
  connection: 'Check api_base, DNS and the network between this machine and the provider.',
  server: "Check the provider's status; add a deployment of another provider or a fallback.",
};

/** The most urgent first. Empty if all is well. */
export function attentionOf(snapshot: DashboardSnapshot): readonly AttentionItem[] {
  const groups = groupsOf(snapshot);
  const items = [
    ...ofConfiguration(snapshot),
    ...groups.flatMap(ofGroup),
    ...ofUncallable(snapshot, groups),
    ...ofHealth(snapshot),
    ...ofLimits(snapshot),
    ...ofQueue(snapshot),
    ...ofRecommendations(snapshot),
  ];
  return items.sort((a, b) => RANK.indexOf(a.severity) - RANK.indexOf(b.severity));
}

function ofGroup({ group, window, deployments, statusLabel }: GroupState): AttentionItem[] {
  // Separate items give the reason.
  if (deployments.every(({ state }) => state === 'uncallable')) return [];
  if (statusLabel.severity !== 'good') {
    const { severity, word, reason = '' } = statusLabel;
    const advice = word === 'slow' ? 'Add a faster deployment, or limit the output of requests (max_tokens).' : adviceFor(window?.cause);
    return [{ severity, title: `${group} is ${word}`, reason: sentence(reason), advice, page: 'models' }];
  }
  // The group still works, because another deployment answers.
  return deployments.flatMap((deployment): AttentionItem[] => {
    const own = deployment.state === 'available' ? attemptsStatus(deployment.window) : undefined;
    if (own === undefined) return [];
    const advice = own.word === 'slow' ? undefined : adviceFor(deployment.window?.cause);
    return [
      {
        severity: 'warn',
        title: `${deployment.id} of ${group} is ${own.word}`,
        reason: sentence(own.reason ?? ''),
        advice,
        page: 'models',
      },
    ];
  });
}

function adviceFor(cause: string | undefined): string | undefined {
  return cause === undefined ? undefined : ADVICE[cause];
}

/** Deployments with the same reason together: one missing variable often concerns several. */
function ofUncallable({ deployments }: DashboardSnapshot, groups: readonly GroupState[]): AttentionItem[] {
  const uncallable = (deployments ?? []).filter((deployment) => deployment.uncallable !== undefined);
  const unavailable = new Set(groups.filter(({ statusLabel }) => statusLabel.word === 'unavailable').map(({ group }) => group));
  return [...groupedBy(uncallable, (deployment) => JSON.stringify(deployment.uncallable)).values()].map((alike): AttentionItem => {
    const { reason, remedy } = alike[0].uncallable!;
    const models = [...new Set(alike.map(({ group }) => group))];
    const title = `${models.slice(0, SHOWN_NAMES).join(', ')}${models.length > SHOWN_NAMES ? ` and ${models.length - SHOWN_NAMES} more` : ''} cannot be called`;
    const severity = models.some((model) => unavailable.has(model)) ? 'bad' : 'warn';
    return { severity, title, reason: sentence(reason), advice: remedy === '' ? undefined : sentence(remedy), page: 'models' };
  });
}

function ofHealth({ health, deployments, rejectedConfiguration }: DashboardSnapshot): AttentionItem[] {
  const hasUncallable = deployments?.some(({ uncallable }) => uncallable !== undefined) === true;
  const hasOwnItem = [...(hasUncallable ? ['routing', 'llm_client'] : []), ...(rejectedConfiguration === null ? [] : ['configuration'])];
  const components = Object.entries(health.components).filter(
    ([name, { status }]) => status !== 'ok' && !(status === 'degraded' && hasOwnItem.includes(name)),
  );
  const items = components.map(([name, { status, reason }]): AttentionItem => {
    const severity = status === 'down' ? 'bad' : 'warn';
    return { severity, title: `${words(name)} is ${status}`, reason: sentence(reason ?? 'Its self-test fails'), page: 'diagnostics' };
  });
  if (items.length > 0 || hasOwnItem.length > 0 || health.status === 'ok') return items;
  return [
    {
      severity: 'warn',
      title: health.reason ?? health.status,
      reason: 'The slower TypeScript engines are used instead.',
      page: 'diagnostics',
    },
  ];
}

function ofLimits({ limits, budgets }: DashboardSnapshot): AttentionItem[] {
  const denied = limits.filter(({ remaining }) => remaining <= 0);
  const spent = budgets.filter(({ limitUsd, spentUsd, heldUsd }) => spentUsd + heldUsd >= limitUsd);
  return [
    ...spent.map(({ limit, keyName, keyHash, spentUsd, limitUsd, resetMs }): AttentionItem => {
      const reset = resetMs === Infinity ? 'It does not reset.' : `It resets in ${span(resetMs)}.`;
      const reason = `${usd(spentUsd)} of ${usd(limitUsd)} are spent, so calls are denied. ${reset}`;
      return { severity: 'warn', title: `The budget of ${limit} ${keyName ?? keyHash} is exhausted`, reason, advice: 'Raise it, or wait.' };
    }),
    ...denied.map(({ limit, keyName, keyHash, total, unit, resetMs }): AttentionItem => {
      const reason = `It has used its ${total} ${unit}, so requests are denied. The full limit is available again in ${span(resetMs)}.`;
      return { severity: 'plain', title: `${limit} ${keyName ?? keyHash} is at its limit`, reason };
    }),
  ];
}

function ofQueue({ queue }: DashboardSnapshot): AttentionItem[] {
  if (queue === null || queue.length === 0 || queue.length < queue.most * 0.75) return [];
  const oldestMs = Math.max(...queue.classes.map((each) => each.oldestMs));
  const reason = `${queue.length} of ${queue.most} slots are taken, and the oldest call has waited for ${duration(oldestMs)}.`;
  return [
    {
      severity: 'warn',
      title: 'The queue is nearly full',
      reason,
      advice: 'Add deployments, or raise their rpm and tpm.',
      page: 'diagnostics',
    },
  ];
}

function ofConfiguration({ rejectedConfiguration: rejected }: DashboardSnapshot): AttentionItem[] {
  if (rejected === null) return [];
  const advice = 'Correct it; until then, the previous version stays in use.';
  return [
    {
      severity: 'bad',
      title: 'The latest configuration was rejected',
      reason: sentence(rejected),
      advice,
      page: 'diagnostics',
    },
  ];
}

function ofRecommendations({ recommendations }: DashboardSnapshot): AttentionItem[] {
  return recommendations.flatMap(({ priority, component, message, suggestion }): AttentionItem[] =>
    priority !== 'high' || OF_TRAFFIC.includes(component)
      ? []
      : [
          {
            severity: 'warn',
            title: `${words(component)} needs attention`,
            reason: sentence(message),
            advice: sentence(suggestion),
            page: 'diagnostics',
          },
        ],
  );
}

/** The overall state in a word, and its subject. */
export function overallState(snapshot: DashboardSnapshot): { readonly severity: Severity; readonly word: string; readonly about: string } {
  const { health } = snapshot;
  const troubled = groupsOf(snapshot).filter(({ statusLabel }) => statusLabel.severity === 'bad' || statusLabel.severity === 'warn');
  const worst = troubled.filter(({ statusLabel }) => statusLabel.severity === 'bad');
  const components = Object.entries(health.components).filter(([, { status }]) => status !== 'ok');
  const about = components.map(([name]) => words(name)).join(', ') || (health.reason ?? '');
  if (health.status === 'down') return { severity: 'bad', word: 'Down', about };
  const [group] = worst.length > 0 ? worst : health.status === 'ok' ? troubled : [];
  if (group === undefined)
    return health.status === 'ok' ? { severity: 'good', word: 'Healthy', about: '' } : { severity: 'warn', word: 'Degraded', about };
  const { severity, word } = group.statusLabel;
  const others = (worst.length > 0 ? worst : troubled).length - 1;
  return {
    severity,
    word: `${word[0].toUpperCase()}${word.slice(1)}`,
    about: `${group.group}${others === 0 ? '' : ` and ${others} more`}`,
  };
}

function sentence(text: string): string {
  const whole = text.trim();
  return whole === '' ? '' : `${whole[0].toUpperCase()}${whole.slice(1)}${/[.!?]$/.test(whole) ? '' : '.'}`;
}
