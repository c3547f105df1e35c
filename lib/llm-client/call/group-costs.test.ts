import type { Selection } from './call-router.js';
import { GroupCosts } from './group-costs.js';

const selection = (group: string, provider: string): Selection => ({ group, deployment: { provider } }) as Selection;

describe('GroupCosts', () => {
  it('adds up by model group and provider', () => {
    const costs = new GroupCosts(false);
    costs.add(selection('chat', 'openai'), 'red', 0.25);
    costs.add(selection('chat', 'openai'), 'blue', 0.5);
    costs.add(selection('chat', 'azure'), undefined, 1);
    expect(costs.samples().map(({ labels, value }) => [labels, value])).toEqual([
      [{ group: 'chat', provider: 'openai' }, 0.75],
      [{ group: 'chat', provider: 'azure' }, 1],
    ]);
  });

  it('tells teams apart where it is asked to', () => {
    const costs = new GroupCosts(true);
    costs.add(selection('chat', 'openai'), 'red', 0.25);
    costs.add(selection('chat', 'openai'), undefined, 0.5);
    expect(costs.samples().map(({ labels, value }) => [labels?.team, value])).toEqual([
      ['red', 0.25],
      ['', 0.5],
    ]);
  });

  it('counts further teams as others, and loses nothing', () => {
    const costs = new GroupCosts(true);
    for (let team = 0; team < 2_000; team++) costs.add(selection('chat', 'openai'), `team-${team}`, 1);
    const samples = costs.samples();
    expect(samples).toHaveLength(501);
    expect(samples.at(-1)).toMatchObject({ labels: { team: 'other' }, value: 1_500 });
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(2_000);
  });
});
