/**
 * Starts to measure the CPU time of this process, in milliseconds, for bounds on work. Other
 * processes of a busy machine do not lengthen it.
 */
export function cpuTimer(): () => number {
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
}
