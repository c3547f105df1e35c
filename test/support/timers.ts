/** Pending timers that the sources under a path have set. */
export interface OwnTimers {
  readonly pending: number;
}

/**
 * Counts the timers that sources under `path`, such as `lib/queue/`, set from now on and that have
 * neither fired nor been cleared. `jest.getTimerCount()` counts those of the whole process: sockets
 * of earlier tests set some, too. With fake timers, call it after `jest.useFakeTimers()`. The
 * environment restores the globals after the suite.
 */
export function timersOf(path: string): OwnTimers {
  const pending = new Set<unknown>();
  // A suite next to its subject is in each stack as well.
  const isOwnLine = (line: string): boolean => line.replaceAll('\\', '/').includes(`/${path}`) && !line.includes('.test.ts');
  const isOwn = (): boolean => (new Error().stack ?? '').split('\n').some(isOwnLine);
  for (const [set, clear, isOnce] of [
    ['setTimeout', 'clearTimeout', true],
    ['setInterval', 'clearInterval', false],
  ] as const) {
    const [originalSet, originalClear] = [globalThis[set], globalThis[clear]] as [typeof setTimeout, typeof clearTimeout];
    const wrapped = (work: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): unknown => {
      if (!isOwn()) return originalSet(work, ms, ...args);
      const timer: unknown = originalSet(() => {
        if (isOnce) pending.delete(timer);
        work(...args);
      }, ms);
      pending.add(timer);
      return timer;
    };
    // `util.promisify` reads a symbol of it.
    globalThis[set] = Object.assign(wrapped, originalSet) as typeof setTimeout & typeof setInterval;
    globalThis[clear] = (timer: NodeJS.Timeout | string | number | undefined) => {
      pending.delete(timer);
      originalClear(timer);
    };
  }
  return {
    get pending(): number {
      return pending.size;
    },
  };
}
