import type { CallRecord } from '../../common/call-record.js';
import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../../common/capability.js';
import type { LogSink } from '../../common/log-sink.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { BudgetAlert } from '../../rate-limit/budget/budget-settings.js';
import type { CallbackConfig } from '../../router/config/callback-settings.js';
import type { CooldownReport } from '../../router/router.service.js';
import type { CallbackSink } from '../delivery.js';
import { deliver } from '../http-delivery.js';
import { Spool } from '../spool/spool.js';
import type { Alert, AlertType } from './alert.js';
import { AlertDigest, type Digest } from './alert-digest.js';
import { slackMessage, webhookEvents } from './alert-messages.js';
import { resolveAlerting, type ResolvedAlerting } from './alerting.environment.js';
import type { AlertingOptions } from './alerting.options.js';
import { BudgetWatch } from './budget-watch.js';
import { CallWatch } from './call-watch.js';

/** Dependencies of `Alerting`. */
export interface AlertingContext {
  readonly options: AlertingOptions | undefined;
  /** From LiteLLM's configuration file. */
  readonly file: CallbackConfig | undefined;
  readonly env: Environment;
  readonly log: LogSink;
  /** Current problems of stores, by component name. */
  readonly storeProblems: () => Promise<Readonly<Record<string, string>>>;
}

const SPOOL = {
  maxPending: 1_000,
  maxPendingChars: 10_000_000,
  folder: undefined,
  canHaveFolder: false,
  maxSpilledBytes: 0,
  timeoutMs: 10_000,
};
const STORES_EVERY_MS = 30_000;
const CLOSE_MS = 3_000;
const TEST_MS = 10_000;
const sample = samplesOf('alerts');

/** Sends alerts for calls, deployments, budgets and stores to Slack and a webhook. */
export class Alerting implements Capability {
  readonly capability = 'alerts';
  readonly warnings: readonly string[];
  private readonly settings: ResolvedAlerting;
  private readonly slack: readonly Spool[];
  private readonly byType = new Map<AlertType, readonly Spool[]>();
  private readonly webhook: Spool | undefined;
  private readonly digest: AlertDigest;
  private readonly calls: CallWatch;
  private readonly budgets: BudgetWatch;
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly raised = new Map<AlertType, number>();
  /** Stores whose problem has been reported. */
  private readonly reported = new Set<string>();

  /**
   * @throws InvalidConfigurationError naming the option. Problems in the file are only warnings.
   */
  constructor({ options, file, env, log, storeProblems }: AlertingContext) {
    const settings = resolveAlerting(options, file, env);
    this.settings = settings;
    this.warnings = settings.warnings;
    for (const line of settings.warnings) log.warn(line);
    const spools = new Map<string, Spool>();
    const spoolFor = (url: string): Spool => {
      const known = spools.get(url);
      if (known !== undefined) return known;
      const spool = new Spool(sinkFor(spools.size === 0 ? 'slack' : `slack-${spools.size + 1}`, url), SPOOL, log);
      spools.set(url, spool);
      return spool;
    };
    this.slack = settings.slackUrls.map(spoolFor);
    for (const [type, urls] of settings.urlsOfType) this.byType.set(type, urls.map(spoolFor));
    this.webhook = settings.webhook === undefined ? undefined : new Spool(sinkFor('webhook', settings.webhook), SPOOL, log);
    const raise = (alert: Alert): void => this.raise(alert);
    this.digest = new AlertDigest(settings.digestSeconds * 1000, (digest) => this.send(digest));
    this.budgets = new BudgetWatch(settings.budgetTtlSeconds * 1000, raise);
    this.calls = new CallWatch(
      {
        slowMs: settings.slowSeconds * 1000,
        outageMs: settings.outageSeconds * 1000,
        minorErrors: settings.minorOutageErrors,
        majorErrors: settings.majorOutageErrors,
      },
      raise,
    );
    const watch = (): void => void storeProblems().then((problems) => this.watchStores(problems));
    this.timer = this.isEmpty ? undefined : setInterval(watch, STORES_EVERY_MS).unref();
  }

  /** Whether no channel can be used. */
  get isEmpty(): boolean {
    return this.spools().length === 0;
  }

  /** Checks the record of a finished call. */
  readonly add = (record: CallRecord): void => {
    this.budgets.add(record);
    this.calls.add(record);
  };

  /** Handles a mark that a budget has crossed. */
  readonly budgetCrossed = (alert: BudgetAlert): void => this.budgets.crossed(alert);

  /** Handles a deployment that enters cooldown. */
  readonly cooledDown = ({ id, group, seconds, cause }: CooldownReport): void => {
    this.raise({
      type: 'cooldown_deployment',
      level: 'High',
      message: `Deployment ${id} (${group}) is in cooldown for ${seconds} s (${cause})`,
    });
  };

  /** Raises an alert for each store that has failed since the last time. @internal */
  watchStores(problems: Readonly<Record<string, string>>): void {
    for (const name of this.reported) if (!(name in problems)) this.reported.delete(name);
    for (const [name, reason] of Object.entries(problems)) {
      if (this.reported.has(name)) continue;
      this.reported.add(name);
      this.raise({ type: 'db_exceptions', level: 'High', message: `${name}: ${reason}` });
    }
  }

  /** Channels that are configured. */
  get channels(): readonly ('slack' | 'webhook')[] {
    return [...(this.slack.length > 0 ? (['slack'] as const) : []), ...(this.webhook === undefined ? [] : (['webhook'] as const))];
  }

  /**
   * Sends a test alert to one channel, and waits for the result.
   * @throws DeliveryError if it was not accepted.
   */
  async test(channel: 'slack' | 'webhook'): Promise<void> {
    const alert: Alert = { type: 'llm_exceptions', level: 'Low', message: 'This is a test alert. No action is needed.' };
    const digest: Digest = { type: alert.type, level: alert.level, count: 1, entries: [{ alert, count: 1 }] };
    const spools = channel === 'slack' ? this.slack : this.webhook === undefined ? [] : [this.webhook];
    const texts = channel === 'slack' ? [slackMessage(digest, this.settings.proxyUrl, new Date())] : webhookEvents(digest);
    for (const { sink } of spools) await sink.send(texts, AbortSignal.timeout(TEST_MS));
  }

  metrics(): readonly MetricSample[] {
    const { types } = this.settings;
    return types.map((type) =>
      sample('raised_total', 'Raised alerts by type, before grouping', 'counter', this.raised.get(type) ?? 0, { type }),
    );
  }

  health(): CapabilityHealth {
    const problems = this.spools().flatMap(({ sink, problem }) => (problem === undefined ? [] : [`${sink.name}: ${problem}`]));
    if (problems.length === 0) return { status: 'ok', engine: 'typescript' };
    return { status: 'degraded', engine: 'typescript', reason: problems.join('; ') };
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.digest.close();
    await Promise.all(this.spools().map((spool) => spool.close(CLOSE_MS)));
  }

  private raise(alert: Alert): void {
    if (!this.settings.types.includes(alert.type)) return;
    this.raised.set(alert.type, (this.raised.get(alert.type) ?? 0) + 1);
    this.digest.add(alert);
  }

  private send(digest: Digest): void {
    const slack = this.byType.get(digest.type) ?? this.slack;
    if (slack.length > 0) {
      const message = slackMessage(digest, this.settings.proxyUrl, new Date());
      for (const spool of slack) spool.add(message);
    }
    if (this.webhook !== undefined) for (const event of webhookEvents(digest)) this.webhook.add(event);
  }

  private spools(): readonly Spool[] {
    const all = [...this.slack, ...[...this.byType.values()].flat(), ...(this.webhook === undefined ? [] : [this.webhook])];
    return [...new Set(all)];
  }
}

/** Sends messages one by one. */
function sinkFor(name: string, url: string): CallbackSink {
  return {
    name,
    batchSize: 1,
    flushMs: 0,
    async send([body], signal) {
      await deliver({ url, headers: { 'content-type': 'application/json' }, body, signal });
    },
  };
}
