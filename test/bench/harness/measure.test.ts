import { measure, median, speedup, type Task } from './measure.js';

/** A clock that only the tasks move: real time would depend on other processes. */
let nowNs = 0n;
beforeEach(() => void jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => nowNs));
afterEach(() => jest.restoreAllMocks());

/** A task that takes `ms` per operation; the lengths of its turns are kept. */
function taking(name: string, ms: number): Task & { turns: number[] } {
  const turns: number[] = [];
  return {
    name,
    turns,
    run(times) {
      turns.push(times);
      nowNs += BigInt(Math.round(ms * 1e6 * times));
    },
  };
}

describe('median', () => {
  it('returns the middle value, or the mean of the two middle values, without NaN', () => {
    expect(median([3, NaN, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([NaN])).toBeNaN();
  });
});

describe('speedup', () => {
  it('returns the median of the ratios of the rounds in which both tasks ran', () => {
    const samples = new Map([
      ['ours', [1, 10, 2]],
      ['theirs', [5, 50, NaN]],
    ]);
    expect(speedup(samples, 'ours', 'theirs')).toBe(5);
    expect(speedup(samples, 'ours', 'unknown')).toBeNaN();
  });
});

describe('measure', () => {
  it('measures the time of one operation in turns of sufficient length', async () => {
    const [quick, slow] = [taking('quick', 0.001), taking('slow', 7)];
    const samples = await measure([quick, slow], { rounds: 3, minMs: 4, keep: () => true });
    expect(samples.get('quick')).toEqual([1000, 1000, 1000]);
    expect(samples.get('slow')).toEqual([7e6, 7e6, 7e6]);
    expect(Math.min(...quick.turns.slice(-3))).toBeGreaterThanOrEqual(4000);
    expect(slow.turns).toEqual([1, 1, 1, 1, 1]);
  });

  it('does not mistake a stall for a turn of sufficient length', async () => {
    const task = taking('stalled at first', 0.001);
    const run = task.run.bind(task);
    task.run = (times) => {
      if (task.turns.length === 0) nowNs += BigInt(20e6);
      return run(times);
    };
    expect((await measure([task], { rounds: 3, minMs: 4, keep: () => true })).get(task.name)).toEqual([1000, 1000, 1000]);
    expect(Math.min(...task.turns.slice(-3))).toBeGreaterThanOrEqual(4000);
  });

  it('awaits asynchronous tasks', async () => {
    const task: Task = {
      name: 'asynchronous',
      async run(times) {
        await Promise.resolve();
        nowNs += BigInt(5e6 * times);
      },
    };
    expect((await measure([task], { rounds: 2, minMs: 1, keep: () => true })).get('asynchronous')).toEqual([5e6, 5e6]);
  });

  it('runs each task at each position of a round', async () => {
    const order: string[] = [];
    const tasks = ['a', 'b', 'c'].map((name) => ({ ...taking(name, 5) }));
    const recorded = tasks.map(({ name, run }) => ({ name, run: (times: number) => (order.push(name), run(times)) }));
    await measure(recorded, { rounds: 3, minMs: 4, keep: () => true });
    expect(order.slice(6).join('')).toBe('abcbcacab');
  });

  it('drops very slow tasks after the warm-up and slow tasks after the trial, except those to keep', async () => {
    const tasks = [taking('kept', 20), taking('best', 1), taking('behind', 2.5), taking('far behind', 12)];
    const samples = await measure(tasks, { rounds: 5, minMs: 3, trialRounds: 2, keep: (name) => name === 'kept' });
    const taken = (name: string): number => (samples.get(name) ?? []).filter((ns) => !Number.isNaN(ns)).length;
    expect(['kept', 'best', 'behind', 'far behind'].map(taken)).toEqual([5, 5, 2, 1]);
  });
});
