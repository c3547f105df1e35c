import { AttemptTimer, type AttemptTimes } from './cancellation.js';

const HOUR_MS = 3_600_000;
const BY_OPERATOR = { whole: false, firstChunk: false };

describe('AttemptTimer', () => {
  const heard: string[] = [];
  const timer = (wholeMs: number, firstChunkMs = Infinity, byCaller: AttemptTimes['byCaller'] = BY_OPERATOR): AttemptTimer => {
    const times = { wholeMs, endsCall: true, firstChunkMs, headTimeoutMs: 0, bodyTimeoutMs: 0, byCaller };
    return new AttemptTimer(times, { timeOut: (awaited) => heard.push(awaited) });
  };

  beforeEach(() => {
    jest.useFakeTimers();
    heard.length = 0;
  });
  afterEach(() => void jest.useRealTimers());

  it.each([1, 5, 999, 1000, 1001, HOUR_MS])('times out after %p ms, no earlier and once', (ms) => {
    timer(ms);
    jest.advanceTimersByTime(ms - 1);
    expect(heard).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(heard).toEqual(['answer']);
    jest.advanceTimersByTime(2 * HOUR_MS);
    expect(heard).toEqual(['answer']);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('times out for the first chunk and for the whole answer, each at its time', () => {
    timer(60_000, 5000);
    jest.advanceTimersByTime(4999);
    expect(heard).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(heard).toEqual(['first chunk']);
    jest.advanceTimersByTime(55_000);
    expect(heard).toEqual(['first chunk', 'answer']);
  });

  it('does not time out for a first chunk that has arrived', () => {
    const streamed = timer(HOUR_MS, 10_000);
    jest.advanceTimersByTime(9_900);
    streamed.firstChunk();
    jest.advanceTimersByTime(HOUR_MS - 9_901);
    expect(heard).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(heard).toEqual(['answer']);
  });

  it('leaves no timer behind when it is stopped, and has none without a limit', () => {
    const both = timer(10_000, 5000);
    both.stop();
    both.stop();
    timer(Infinity);
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(HOUR_MS);
    expect(heard).toEqual([]);
  });

  it('says whether the limit that ran out was set by the request', () => {
    const both = timer(2000, 1000, { whole: false, firstChunk: true });
    expect(both.isCallersLimit).toBe(false);
    jest.advanceTimersByTime(1000);
    expect(both.isCallersLimit).toBe(true);
    jest.advanceTimersByTime(1000);
    expect(both.isCallersLimit).toBe(false);
  });
});
