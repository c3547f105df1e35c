import { EventEmitter } from 'node:events';
import { until } from '../../../test/support/until.js';
import { RedisCircuit } from './circuit-breaker.js';
import type { RedisClient } from './client.js';
import { RedisOutage } from './outage.js';
import { StoreFailure } from './script-queue.js';
import type { RateLimitStore } from '../store.js';

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

describe('the circuit breaker of the Redis store', () => {
  const circuits: RedisCircuit[] = [];
  afterEach(() => circuits.splice(0).forEach((circuit) => circuit.close()));

  function tripped(timeoutMs = 50): { client: ScriptedClient; circuit: RedisCircuit } {
    const client = new ScriptedClient();
    const circuit = new RedisCircuit(client as unknown as RedisClient, timeoutMs);
    circuits.push(circuit);
    for (let i = 0; i < 3; i++) circuit.failed('', 'no answer');
    expect(circuit.refusal()).toBe('no answer');
    return { client, circuit };
  }

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
    await until(() => circuit.refusal() === undefined, 5_000);
    const seen: (string | undefined)[] = [];
    for (const endMs = performance.now() + 600; performance.now() < endMs; await new Promise(setImmediate)) seen.push(circuit.refusal());
    expect(new Set(seen)).toEqual(new Set([undefined]));
  });

  it('says that Redis is well as soon as it is asked, though the next ping is not due', async () => {
    const { client, circuit } = tripped();
    client.answer = () => Promise.reject(new Error('still away'));
    await until(() => client.pings >= 4, 10_000);
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

describe('an outage of the Redis store', () => {
  const oom = new StoreFailure('reply', 'OOM command not allowed', '');
  const away = new StoreFailure('connection', 'the connection to Redis is lost', '');
  const wrote = (): Promise<undefined> => Promise.resolve(undefined);

  it('is one while Redis refuses to write, whatever it answers in between', () => {
    const outage = new RedisOutage('deny', {} as RateLimitStore);
    for (let i = 0; i < 5; i++) {
      outage.count(oom);
      // Requests that are denied, and looks: nothing is written.
      outage.succeeded(false);
      expect(outage.recent()).toBe(oom.reason);
    }
    outage.succeeded(true);
    expect(outage.recent()).toBeUndefined();
  });

  it('is not over for a ping when Redis refused to write before its connection was lost', async () => {
    const outage = new RedisOutage('deny', {} as RateLimitStore);
    outage.count(oom);
    outage.count(away);
    outage.succeeded(false);
    expect(outage.recent()).toBe(away.reason);
    await outage.reachable(() => Promise.resolve(oom));
    expect(outage.recent()).toBe(oom.reason);
    await outage.reachable(wrote);
    expect(outage.recent()).toBeUndefined();
  });

  it('that comes and goes is over 2 s after its last failure', () => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(10_000);
    const outage = new RedisOutage('deny', {} as RateLimitStore);
    for (let i = 0; i < 4; i++) {
      outage.count(oom);
      outage.succeeded(true);
    }
    expect(outage.recent()).toBe(oom.reason);
    clock.mockReturnValue(11_999);
    expect(outage.recent()).toBe(oom.reason);
    clock.mockReturnValue(12_000);
    expect(outage.recent()).toBeUndefined();
    clock.mockRestore();
  });
});
