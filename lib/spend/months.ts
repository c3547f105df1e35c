/** The start of the month that many months before that of a time, in UTC. */
export function monthsBefore(time: Date, months: number): Date {
  return new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() - months, 1));
}
