// Loaded into each measured process: answers a message with its CPU time (microseconds).
// Between 'watch' and 'stop' it measures how long its event loop stands still, at a cost.
const TICK_MS = 1;
let ticker: NodeJS.Timeout | undefined;
let longestMs = 0;

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function watch(): void {
  longestMs = 0;
  let last = performance.now();
  let lastCpuUs = cpuUs();
  ticker = setInterval(() => {
    const now = performance.now();
    const cpu = cpuUs();
    // What other processes took of a busy machine is no wait for this one.
    longestMs = Math.max(longestMs, Math.min(now - last - TICK_MS, (cpu - lastCpuUs) / 1000));
    [last, lastCpuUs] = [now, cpu];
  }, TICK_MS);
}

process.on('message', (asked) => {
  if (asked === 'stop') clearInterval(ticker);
  if (asked === 'watch') watch();
  process.send?.({ cpuUs: cpuUs(), gapMs: longestMs });
});
process.on('disconnect', () => process.exit());
