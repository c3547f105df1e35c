import type { DeploymentState } from '../selection/explanation.js';
import { outageOf } from './router-health.js';

const states = (...given: `${string} ${DeploymentState['state']}`[]) =>
  given.map((entry) => {
    const [group, state] = entry.split(' ');
    return { group, state } as DeploymentState;
  });

describe('outageOf', () => {
  it.each([
    [[]],
    [states('a available')],
    [states('a available', 'a cooling', 'b available')],
    [states('a available', 'b blocked')],
    [states('b blocked')],
  ])('returns undefined for %j', (given) => expect(outageOf(given)).toBeUndefined());

  it('names the model groups without an available deployment', () => {
    expect(outageOf(states('a available', 'b cooling', 'b unhealthy', 'c cooling', 'c blocked'))).toEqual({
      status: 'degraded',
      reason: 'no deployment available in b, c',
    });
    const many = Array.from({ length: 9 }, (_, i) => `g${i} cooling` as const);
    expect(outageOf(states('a available', ...many))?.reason).toBe('no deployment available in g0, g1, g2, g3, g4 and 4 more');
  });

  it('is down when no deployment is available at all', () => {
    expect(outageOf(states('a cooling', 'b unhealthy', 'b cooling'))).toMatchObject({ status: 'down' });
    expect(outageOf(states('a cooling', 'b blocked'))).toMatchObject({ status: 'down' });
  });
});
