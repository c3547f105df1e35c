import { samplesOf, type MetricSample } from '../common/capability.js';
import type { GuardrailRecord } from '../common/call-record.js';
import type { Finding, GuardrailMode } from './guardrail.js';
import type { ConfiguredGuardrail } from './guardrail-set.js';

/** Outcome of one check. */
export type CheckOutcome = 'allowed' | 'masked' | 'flagged' | 'denied' | 'failed' | 'unchecked';

const sample = samplesOf('guardrail');
/** Types choose the kinds of their findings; services can invent more. */
const MOST_KINDS = 200;
const MOST_FINDINGS = 100;
const LONGEST_KIND = 100;
const SECONDS = 1000;
/** Upper bounds, in seconds. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A histogram of durations. */
class Durations {
  private readonly counts = BUCKETS.map(() => 0);
  private sumMs = 0;
  private count = 0;

  add(ms: number): void {
    this.sumMs += ms;
    this.count++;
    const at = BUCKETS.findIndex((bound) => ms / SECONDS <= bound);
    if (at >= 0) this.counts[at]++;
  }

  get meanMs(): number | undefined {
    return this.count === 0 ? undefined : this.sumMs / this.count;
  }

  samples(name: string, help: string, labels: Readonly<Record<string, string>>): readonly MetricSample[] {
    let sum = 0;
    const of = { name: `guardrail_${name}`, help, type: 'histogram' } as const;
    const buckets = BUCKETS.map((bound, at) => {
      sum += this.counts[at];
      return { ...of, suffix: '_bucket' as const, value: sum, labels: { ...labels, le: String(bound) } };
    });
    return [
      ...buckets,
      { ...of, suffix: '_bucket', value: this.count, labels: { ...labels, le: '+Inf' } },
      { ...of, suffix: '_sum', value: this.sumMs / SECONDS, labels },
      { ...of, suffix: '_count', value: this.count, labels },
    ];
  }
}

/** Figures of all guardrails of an app, over all configuration versions. */
export class GuardrailFigures {
  private readonly checks = new Map<
    string,
    { name: string; mode: GuardrailMode; counts: Map<CheckOutcome, number>; durations: Durations }
  >();
  private readonly kinds = new Map<string, { name: string; kind: string; action: string; count: number }>();
  /** Added to streams, until their first text and for each event after it. */
  readonly firstText = new Durations();
  readonly laterText = new Durations();

  checked(name: string, mode: GuardrailMode, outcome: CheckOutcome, durationMs: number): void {
    const key = `${name}\n${mode}`;
    let known = this.checks.get(key);
    if (known === undefined) this.checks.set(key, (known = { name, mode, counts: new Map(), durations: new Durations() }));
    known.counts.set(outcome, (known.counts.get(outcome) ?? 0) + 1);
    known.durations.add(durationMs);
  }

  found(name: string, { kind, action, count }: Finding): void {
    const counted = this.kinds.size < MOST_KINDS ? kind : 'other';
    const key = `${name}\n${counted}\n${action}`;
    const known = this.kinds.get(key);
    if (known === undefined) this.kinds.set(key, { name, kind: counted, action, count });
    else known.count += count;
  }

  /** For the dashboard: checks by guardrail and mode, and the delays of streams in ms. */
  states(): GuardrailStates {
    const guardrails = [...this.checks.values()].map(({ name, mode, counts, durations }) => {
      const of = (outcome: CheckOutcome): number => counts.get(outcome) ?? 0;
      const checks = [...counts.values()].reduce((sum, each) => sum + each, 0);
      const failed = of('failed') + of('unchecked');
      return { name, mode, checks, masked: of('masked'), denied: of('denied'), failed, meanMs: durations.meanMs ?? 0 };
    });
    const [firstTextMs, laterTextMs] = [this.firstText.meanMs, this.laterText.meanMs];
    return { guardrails, ...(firstTextMs !== undefined && { firstTextMs }), ...(laterTextMs !== undefined && { laterTextMs }) };
  }

  metrics(): readonly MetricSample[] {
    return [
      ...[...this.checks.values()].flatMap(({ name, mode, counts, durations }) => [
        ...[...counts].map(([outcome, count]) =>
          sample('checks_total', 'Checks of guardrails, by outcome', 'counter', count, { guardrail: name, mode, outcome }),
        ),
        ...durations.samples('check_duration_seconds', 'Duration of checks of guardrails', { guardrail: name, mode }),
      ]),
      ...[...this.kinds.values()].map(({ name, kind, action, count }) =>
        sample('findings_total', 'Findings of guardrails, by kind and action', 'counter', count, { guardrail: name, kind, action }),
      ),
      ...this.firstText.samples('first_text_delay_seconds', 'Time that guardrails add until the first text of a stream', {}),
      ...this.laterText.samples('text_delay_seconds', 'Time that guardrails add to each further event of a stream with a text', {}),
    ];
  }
}

/** Figures for the dashboard. */
interface GuardrailStates {
  readonly guardrails: readonly {
    readonly name: string;
    readonly mode: GuardrailMode;
    readonly checks: number;
    readonly masked: number;
    readonly denied: number;
    readonly failed: number;
    readonly meanMs: number;
  }[];
  readonly firstTextMs?: number;
  readonly laterTextMs?: number;
}

/** The checks of one guardrail in one mode of a call. */
interface Check {
  startedAtMs: number;
  durationMs: number;
  status: GuardrailRecord['status'];
  readonly findings: Map<string, { kind: string; path: string; action: Finding['action']; count: number }>;
}

/** What the guardrails of one call have found: kinds, places and actions, never texts. */
export class CallFindings {
  private readonly checks = new Map<string, { readonly of: ConfiguredGuardrail; readonly mode: GuardrailMode; readonly check: Check }>();

  constructor(private readonly figures: GuardrailFigures) {}

  /** @param isPartial whether the findings can be those of an earlier window of the same text */
  add(
    of: ConfiguredGuardrail,
    mode: GuardrailMode,
    result: { outcome: CheckOutcome; startedMs: number; findings: readonly Finding[]; isPartial: boolean },
  ): void {
    const { outcome, startedMs, findings, isPartial } = result;
    const durationMs = performance.now() - startedMs;
    this.figures.checked(of.name, mode, outcome, durationMs);
    const key = `${of.name}\n${mode}`;
    let known = this.checks.get(key);
    if (known === undefined) {
      const startedAtMs = Math.round(Date.now() - durationMs);
      this.checks.set(key, (known = { of, mode, check: { startedAtMs, durationMs: 0, status: 'success', findings: new Map() } }));
    }
    const { check } = known;
    check.durationMs += durationMs;
    if (outcome === 'failed' || outcome === 'unchecked') check.status = 'guardrail_failed_to_respond';
    else if (outcome === 'denied' || outcome === 'masked') check.status = 'guardrail_intervened';
    for (const { kind: given, path, action, count } of findings) {
      const kind = given.slice(0, LONGEST_KIND);
      const at = `${kind}\n${path}\n${action}`;
      const before = check.findings.get(at);
      if (before === undefined && check.findings.size >= MOST_FINDINGS) continue;
      const next = before === undefined ? count : isPartial ? Math.max(before.count, count) : before.count + count;
      if (next > (before?.count ?? 0)) this.figures.found(of.name, { kind, path, action, count: next - (before?.count ?? 0) });
      check.findings.set(at, { kind, path, action, count: next });
    }
  }

  records(): readonly GuardrailRecord[] {
    return [...this.checks.values()].map(({ of, mode, check }) => ({
      name: of.name,
      guardrail: of.kind,
      mode,
      status: check.status,
      startedAtMs: check.startedAtMs,
      durationMs: check.durationMs,
      findings: [...check.findings.values()],
    }));
  }
}
