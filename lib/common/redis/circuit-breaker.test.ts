import { EventEmitter } from 'node:events';
import { until } from '../../../test/support/until.js';
import { RedisCircuitBreaker } from './circuit-breaker.js';
import type { RedisClient } from './client.js';

const replyError = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });

/** A connection whose pings are answered by the test. */
class ScriptedClient extends EventEmitter {
  status = 'ready';
  pings = 0;
  answer: () => Promise<unknown> = () => Promise.resolve('PONG');

  ping(): Promise<unknown> {
    this.pings++;
    return this.answer();
  }
}

describe('the circuit breaker of Redis', () => {
  const circuits: RedisCircuitBreaker[] = [];
  afterEach(() => circuits.splice(0).forEach((circuit) => circuit.close()));

  function tripped(timeoutMs = 50): { client: ScriptedClient; circuit: RedisCircuitBreaker } {
    const client = new ScriptedClient();
    const circuit = new RedisCircuitBreaker(client as unknown as RedisClient, timeoutMs);
    circuits.push(circuit);
    for (let i = 0; i < 3; i++) circuit.failed('', 'no answer');
    expect(circuit.refusal()).toBe('no answer');
    return { client, circuit };
  }

  it('pings a connection that waits for its first command', async () => {
    const { client } = tripped();
    client.status = 'wait';
    await until(() => client.pings > 0);
  });

  it.each(['LOADING Redis is loading the dataset in memory', 'BUSY Redis is busy running a script', 'MISCONF Redis cannot save'])(
    'closes when Redis answers a ping with an error: %s',
    async (message) => {
      const { client, circuit } = tripped();
      client.answer = () => Promise.reject(replyError(message));
      await until(() => circuit.refusal() === undefined);
      expect(await circuit.fault()).toBe(message);
      client.answer = () => Promise.resolve('PONG');
      expect(await circuit.fault()).toBeUndefined();
    },
  );

  it('stays closed when a ping that was sent before fails after a later one was answered', async () => {
    const { client, circuit } = tripped(300);
    client.answer = () => new Promise(() => {});
    await until(() => client.pings === 1);
    client.answer = () => Promise.resolve('PONG');
    client.emit('ready');
    await until(() => circuit.refusal() === undefined);
    const seen: (string | undefined)[] = [];
    for (const endMs = performance.now() + 600; performance.now() < endMs; await new Promise(setImmediate)) seen.push(circuit.refusal());
    expect(new Set(seen)).toEqual(new Set([undefined]));
  });

  it('says that Redis is well as soon as it is asked, though the next ping is not due', async () => {
    const { client, circuit } = tripped();
    client.answer = () => Promise.reject(new Error('still away'));
    await until(() => client.pings >= 4);
    expect(await circuit.fault()).toBe('still away');
    client.answer = () => Promise.resolve('PONG');
    expect(await circuit.fault()).toBeUndefined();
    expect(circuit.refusal()).toBeUndefined();
  });

  it('pings every 2 s at least, and one at a time', async () => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.999);
    const delays: number[] = [];
    const timer = jest.spyOn(global, 'setTimeout').mockImplementation(((call: () => void, delayMs: number) => {
      delays.push(delayMs);
      const pending = setImmediate(call) as unknown as NodeJS.Timeout;
      return Object.assign(pending, { unref: () => pending });
    }) as typeof setTimeout);
    const { client, circuit } = tripped();
    client.answer = () => Promise.reject(new Error('still away'));
    while (client.pings < 12) await new Promise(setImmediate);
    timer.mockRestore();
    random.mockRestore();
    circuit.close();
    expect(Math.max(...delays)).toBeLessThanOrEqual(2_000);
    expect(delays.length).toBeGreaterThan(10);
  });
});
