import { runChaos, type ChaosReport } from './chaos-run.js';
import { usuallyOrLong } from '../support/long.js';

const SECONDS = usuallyOrLong(12, 180);

describe('under 64 requests at a time, while providers refuse, hang, reset, answer nonsense, cut, freeze and are killed', () => {
  let report: ChaosReport;
  beforeAll(
    async () => {
      report = await runChaos({ seconds: SECONDS, inFlight: 64, seed: 20_261_125, say: () => {} });
    },
    SECONDS * 1000 + 60_000,
  );

  it('every request ends in an answer or in an error that says what it is', () => {
    expect(report.surprises).toEqual([]);
    expect(report.outcomes['failed otherwise']).toBeUndefined();
    expect(report.outcomes.answered).toBeGreaterThan(2 * SECONDS);
    expect(report.outcomes.streamed).toBeGreaterThan(2 * SECONDS);
    expect(report.outcomes['left by its client']).toBeGreaterThan(SECONDS / 4);
    expect(Object.keys(report.faults).length).toBeGreaterThan(usuallyOrLong(5, 12));
  });

  it('nothing is left over: no lease, no request under way, no listener, no socket, no timer', () => {
    expect(report.left).toEqual({ leased: 0, routed: 0, calls: 0, listeners: 0 });
    const { before, after } = report.resources;
    for (const name of ['TCPSocketWrap', 'TCPConnectWrap', 'TCPServerWrap', 'PipeWrap', 'Timeout'])
      expect(`${name}: ${Math.max(0, (after[name] ?? 0) - (before[name] ?? 0))}`).toBe(`${name}: 0`);
  });

  it('memory stays flat', () => {
    const { heap } = report;
    const half = (from: number): number => Math.min(...heap.slice(from, from + Math.floor(heap.length / 2)));
    expect(half(Math.ceil(heap.length / 2))).toBeLessThan(half(1) * 1.25 + 4e6);
  });

  it('the requests are spread evenly again when all is mended', () => {
    expect(report.shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 1);
    for (const share of report.shares) expect(share).toBeGreaterThan(0.15);
  });
});
