/** Returns the start of the month that is `months` before the month of `time`, in UTC. */
export function monthsBefore(time: Date, months: number): Date {
  return new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() - months, 1));
}
