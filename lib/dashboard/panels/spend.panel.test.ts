import type { DashboardSnapshot, SpendingState } from '../dashboard.snapshot.js';
import type { SpendingOverTime } from '../dashboard.source.js';
import { spendingPanel } from './spend.panel.js';

const spending: readonly SpendingState[] = [{ group: 'chat', provider: 'openai', totalUsd: 3 }];
const panelOf = (series: SpendingOverTime['series'] | null): string =>
  spendingPanel({ spending, spendingOverTime: series && { binMs: 300_000, series } } as DashboardSnapshot)!.text;

describe('spendingPanel', () => {
  it('plots what model groups have cost, bars on each other', () => {
    const text = panelOf([
      { group: 'chat', usd: [0, 1, 2] },
      { group: 'embed', usd: [0, 1, 0] },
    ]);
    expect(text).toContain('$4.00 in 15 min, at most $2.00 in 5 min');
    expect(text).toContain('aria-label="By model group, the last 15 min"');
    expect(text).toContain('<path class="band-0" d="M1 100.0v-50.0h.9v50.0zM2 100.0v-100.0h.9v100.0z"></path>');
    expect(text).toContain('<path class="band-1" d="M1 50.0v-50.0h.9v50.0z"></path>');
    expect(text).not.toContain('By team');
  });

  it('plots teams where they are told apart, and puts the cheapest together', () => {
    const teams = ['red', 'blue', '', '<b>', 'tiny', 'least'];
    const text = panelOf(teams.map((team, at) => ({ group: 'chat', team, usd: [10 - at, 0] })));
    const byTeam = text.slice(text.indexOf('By team'));
    for (const name of ['red', 'blue', 'no team', '&lt;b&gt;', '2 more']) expect(byTeam).toContain(name);
    expect(byTeam).not.toContain('tiny');
    expect(text).not.toContain('<b>');
  });

  it('plots nothing where nothing was spent in these hours', () => {
    expect(panelOf([{ group: 'chat', usd: [0, 0] }])).not.toContain('<figure');
    expect(panelOf(null)).not.toContain('<figure');
    expect(panelOf(null)).toContain('$3.00');
  });
});
