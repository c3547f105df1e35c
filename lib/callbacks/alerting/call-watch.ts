import type { AttemptRecord, CallRecord } from '../../common/call-record.js';
import { visibleText } from '../../common/visible-text.js';
import type { RaiseAlert } from './alert.js';

/** Thresholds for alerts about calls. */
export interface CallWatchSettings {
  readonly slowMs: number;
  readonly outageMs: number;
  readonly minorErrors: number;
  readonly majorErrors: number;
}

interface Outage {
  beganAtMs: number;
  errors: number;
  attempts: number;
  raised: 'none' | 'minor' | 'major';
}

/** Statuses that indicate a provider's fault. */
const TIMED_OUT = 408;
const RATE_LIMITED = 429;
const SERVER_ERROR = 500;
/** Maximum number of watched deployments: a `*` group can have one for each model. */
const MOST_DEPLOYMENTS = 10_000;

/** Raises alerts for failed calls, slow calls and deployments with many errors. */
export class CallWatch {
  private readonly outages = new Map<string, Outage>();

  constructor(
    private readonly settings: CallWatchSettings,
    private readonly raise: RaiseAlert,
    private readonly now: () => number = () => performance.now(),
  ) {}

  add(record: CallRecord): void {
    for (const attempt of record.attempts) this.watch(attempt);
    const model = visibleText(record.group ?? record.model);
    if (record.status === 'failure' && isFault(record.httpStatus)) {
      const cause = record.errorCode ?? record.errorKind ?? 'unknown error';
      const deployment = record.deploymentId === undefined ? '' : `, deployment ${visibleText(record.deploymentId)}`;
      this.raise({ type: 'llm_exceptions', level: 'High', message: `Calls to ${model} are failing (${cause}${deployment})` });
    }
    if (record.status === 'success' && record.durationMs > this.settings.slowMs) {
      const seconds = this.settings.slowMs / 1000;
      this.raise({ type: 'llm_too_slow', level: 'Low', message: `Calls to ${model} take longer than ${seconds} s` });
    }
  }

  /** Errors of a deployment within a window; as in LiteLLM, a few are a minor outage. */
  private watch({ deploymentId, status, httpStatus, group }: AttemptRecord): void {
    const { outageMs, minorErrors, majorErrors } = this.settings;
    const now = this.now();
    let outage = this.outages.get(deploymentId);
    if (outage === undefined || now - outage.beganAtMs > outageMs) {
      if (status !== 'failure') return;
      if (this.outages.size >= MOST_DEPLOYMENTS) this.outages.clear();
      this.outages.set(deploymentId, (outage = { beganAtMs: now, errors: 0, attempts: 0, raised: 'none' }));
    }
    outage.attempts++;
    if (status !== 'failure' || !isOutage(httpStatus)) return;
    outage.errors++;
    const kind = outage.errors >= majorErrors ? 'major' : outage.errors >= minorErrors ? 'minor' : 'none';
    if (kind === 'none' || kind === outage.raised) return;
    outage.raised = kind;
    const share = `${outage.errors} of ${outage.attempts} attempts failed within ${Math.round(outageMs / 1000)} s`;
    const message = `Deployment ${visibleText(deploymentId)} (${visibleText(group)}) has a ${kind} outage: ${share}`;
    this.raise({ type: 'outage_alerts', level: kind === 'major' ? 'High' : 'Medium', message });
  }
}

/** Without a status, there was no answer. */
function isOutage(status = SERVER_ERROR): boolean {
  return status >= SERVER_ERROR || status === TIMED_OUT;
}

/** Whether the client is not at fault. */
function isFault(status?: number): boolean {
  return isOutage(status) || status === RATE_LIMITED;
}
