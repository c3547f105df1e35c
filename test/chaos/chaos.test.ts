import { runChaos, type ChaosReport } from './chaos-run.js';
import { usuallyOrLong } from '../support/long.js';

const SECONDS = usuallyOrLong(3, 180);
/** So many at least: answers, answered streams, clients that left, kinds of faults. */
const LEAST = [2 * SECONDS, 2 * SECONDS, Math.ceil(SECONDS / 4), usuallyOrLong(3, 13)];
const countsOf = ({ outcomes, faults }: Pick<ChaosReport, 'outcomes' | 'faults'>): number[] =>
  [outcomes.answered, outcomes.streamed, outcomes['left by its client'], Object.keys(faults).length].map((count) => count ?? 0);
const isEnough = (seen: Pick<ChaosReport, 'outcomes' | 'faults'>): boolean => countsOf(seen).every((count, at) => count >= LEAST[at]);

describe('64 concurrent requests to providers that deny, hang, reset, garble, truncate, freeze and are killed', () => {
  let report: ChaosReport;
  beforeAll(
    async () => {
      report = await runChaos({ seconds: SECONDS, isEnough, inFlight: 64, seed: 20_261_125, say: () => {} });
    },
    SECONDS * 1000 + 240_000,
  );

  it('ends every request with an answer or with a known error', () => {
    expect(report.surprises).toEqual([]);
    expect(report.outcomes['failed otherwise']).toBeUndefined();
    expect(countsOf(report).map((count, at) => Math.min(count, LEAST[at]))).toEqual(LEAST);
  });

  it('leaks no lease, request in flight, listener, socket or timer', () => {
    expect(report.left).toEqual({ leased: 0, routed: 0, calls: 0, listeners: 0 });
    const { before, after } = report.resources;
    for (const name of ['TCPSocketWrap', 'TCPConnectWrap', 'TCPServerWrap', 'PipeWrap', 'Timeout'])
      expect(`${name}: ${Math.max(0, (after[name] ?? 0) - (before[name] ?? 0))}`).toBe(`${name}: 0`);
  });

  it('does not grow in memory', () => {
    const { heap } = report;
    const half = (from: number): number => Math.min(...heap.slice(from, from + Math.floor(heap.length / 2)));
    expect(half(Math.ceil(heap.length / 2))).toBeLessThan(half(1) * 1.25 + 4e6);
  });

  it('distributes requests evenly again after the faults', () => {
    expect(report.shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 1);
    for (const share of report.shares) expect(share).toBeGreaterThan(0.15);
  });
});
