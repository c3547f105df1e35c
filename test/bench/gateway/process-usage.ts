// Loaded into every process that is measured: answers each message with the CPU time that the process has used, in microseconds, and its memory.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuUs: user + system, rss: process.memoryUsage.rss() });
});
process.on('disconnect', () => process.exit());
