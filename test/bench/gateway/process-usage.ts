// Loaded into each measured process: answers a message with its CPU time (microseconds) and memory.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuUs: user + system, rss: process.memoryUsage.rss() });
});
process.on('disconnect', () => process.exit());
