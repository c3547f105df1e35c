import { nextOf, viewOf } from '../../../test/support/layer-calls.js';
import { MASTER_PRINCIPAL } from '../../http/principal.js';
import { callsPerKey } from './calls-per-key.js';
import type { CallLayer } from './layer.js';

/** Calls of keys, each with what ends it. */
function begin(layer: CallLayer, principal?: object) {
  const ends: (() => void)[] = [];
  const call = { principal, whenOver: (listener: () => void) => ends.push(listener) };
  const outcome = layer(nextOf('answer').next)(viewOf(call));
  return { outcome, end: () => ends.splice(0).forEach((each) => each()) };
}

describe('callsPerKey', () => {
  const [a, b] = ['a', 'b'].map((limitKey) => ({ limitKey }));

  it('limits the calls that a key has in flight, each key for itself', async () => {
    const layer = callsPerKey(2);
    for (let at = 0; at < 2; at++) expect(await begin(layer, a).outcome).toBe('answer');
    await expect(begin(layer, a).outcome).rejects.toMatchObject({ exceeded: 'concurrency', limit: 2 });
    expect(await begin(layer, b).outcome).toBe('answer');
  });

  it('counts a call until it is over, which for a stream is after `run`', async () => {
    const layer = callsPerKey(2);
    const [first, second] = [begin(layer, a), begin(layer, a)];
    await Promise.all([first.outcome, second.outcome]);
    await expect(begin(layer, a).outcome).rejects.toThrow();
    first.end();
    expect(await begin(layer, a).outcome).toBe('answer');
    await expect(begin(layer, a).outcome).rejects.toThrow();
    second.end();
    expect(await begin(layer, a).outcome).toBe('answer');
  });

  it('has no limit for the master key and for calls without a key', async () => {
    const layer = callsPerKey(0);
    for (const principal of [MASTER_PRINCIPAL, undefined]) expect(await begin(layer, principal).outcome).toBe('answer');
    await expect(begin(layer, a).outcome).rejects.toThrow();
  });
});
