import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { QueueState } from '../dashboard.source.js';
import { queuePanel } from './queue.panel.js';

const panelOf = (queue: QueueState): string => queuePanel({ queue } as DashboardSnapshot)!.text;

describe('queuePanel', () => {
  it('has no content in an app whose calls do not wait', () => {
    expect(queuePanel({ queue: null } as DashboardSnapshot)).toBeUndefined();
  });

  it('shows length, drain rate, refusals, and the oldest call of each class', () => {
    const classes = [
      { name: 'critical', length: 0, oldestMs: 0 },
      { name: 'default', length: 12, oldestMs: 1_500 },
      { name: 'batch', length: 30, oldestMs: 9_000, p50WaitMs: 3_000, p95WaitMs: 7_500 },
    ];
    const text = panelOf({ length: 42, most: 256, promptTokens: 81_000, drainPerSecond: 2.5, refused: 7, late: 3, classes });
    expect(text).toContain('<strong>42</strong> of 256 waiting, 81K prompt tokens');
    expect(text).toContain('2.5 /s leave');
    expect(text).toContain('7 refused because the queue was full, 3 not served in time');
    expect(text).toMatch(/batch[^]*>30<[^]*>9(?:\.0+)? s<[^]*>3(?:\.0+)? s<[^]*>7\.50? s</);
  });
});
