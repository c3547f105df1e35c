import { GroupCosts } from './client-spend.js';

const MINUTE_MS = 60_000;
const USD = 1e9;

describe('GroupCosts', () => {
  it('adds up by model group and provider', () => {
    const costs = new GroupCosts();
    costs.add({ group: 'chat', provider: 'openai', team: 'red' }, 0.25 * USD);
    costs.add({ group: 'chat', provider: 'openai', team: 'blue' }, 0.5 * USD);
    costs.add({ group: 'chat', provider: 'azure' }, USD);
    expect(costs.samples().map(({ labels, value }) => [labels, value])).toEqual([
      [{ group: 'chat', provider: 'openai' }, 0.75],
      [{ group: 'chat', provider: 'azure' }, 1],
    ]);
  });

  it('separates teams if enabled', () => {
    const costs = new GroupCosts({ hasTeams: true });
    costs.add({ group: 'chat', provider: 'openai', team: 'red' }, 0.25 * USD);
    costs.add({ group: 'chat', provider: 'openai' }, 0.5 * USD);
    expect(costs.samples().map(({ labels, value }) => [labels?.team, value])).toEqual([
      ['red', 0.25],
      ['', 0.5],
    ]);
  });

  it('counts further teams as others, and loses nothing', () => {
    const costs = new GroupCosts({ hasTeams: true });
    for (let team = 0; team < 2_000; team++) costs.add({ group: 'chat', provider: 'openai', team: `team-${team}` }, USD);
    const samples = costs.samples();
    expect(samples).toHaveLength(501);
    expect(samples.at(-1)).toMatchObject({ labels: { team: 'other' }, value: 1_500 });
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(2_000);
    expect(costs.history().series).toHaveLength(501);
  });

  it('keeps the cost of each interval of the last six hours, and nothing older', () => {
    let nowMs = 1_000_000_000;
    const costs = new GroupCosts({ now: () => nowMs });
    const spent = (): readonly number[] => costs.history().series[0].nanoUsd;
    costs.add({ group: 'chat', provider: 'openai' }, 1);
    costs.add({ group: 'chat', provider: 'openai' }, 2);
    expect(spent()).toHaveLength(72);
    expect(spent().at(-1)).toBe(3);
    nowMs += 15 * MINUTE_MS;
    costs.add({ group: 'chat', provider: 'openai' }, 5);
    expect(spent().slice(-4)).toEqual([3, 0, 0, 5]);
    nowMs += 5 * 60 * MINUTE_MS + 40 * MINUTE_MS;
    expect(spent().slice(0, 4)).toEqual([3, 0, 0, 5]);
    nowMs += 5 * MINUTE_MS;
    expect(spent().slice(0, 4)).toEqual([0, 0, 5, 0]);
    nowMs += 1_000 * MINUTE_MS;
    expect(spent().every((each) => each === 0)).toBe(true);
    costs.add({ group: 'chat', provider: 'openai' }, 7);
    expect(spent().reduce((sum, each) => sum + each)).toBe(7);
  });
});
