const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });
const significant = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });
const hundredths = new Intl.NumberFormat('en-US', { maximumFractionDigits: 4 });
const percent = new Intl.NumberFormat('en-US', { style: 'percent', maximumSignificantDigits: 3 });
const roundPercent = new Intl.NumberFormat('en-US', { style: 'percent', maximumFractionDigits: 0 });

/** Placeholder for a missing figure. */
export const NONE = '–';

/** `12,345`. */
export function count(value: number): string {
  return Number.isFinite(value) ? whole.format(value) : NONE;
}

/** `12.3K`. */
export function compact(value: number): string {
  return Math.abs(value) < 10_000 ? count(value) : short.format(value);
}

/** `4.2 /s`. */
export function perSecond(value: number): string {
  return `${value < 10 ? significant.format(value) : compact(value)} /s`;
}

/** `0.04%`, of a ratio from 0 to 1. */
export function share(value: number): string {
  return value >= 0.1 ? roundPercent.format(value) : percent.format(value);
}

/** `×12.3`. */
export function times(value: number): string {
  return `×${value >= 100 ? whole.format(value) : significant.format(value)}`;
}

/** USD that fit a tile; below a cent with four decimals. */
export function usd(value: number): string {
  if (value > 0 && value < 0.0001) return '<$0.0001';
  if (value < 0.01) return `$${hundredths.format(value)}`;
  return value >= 100 ? `$${whole.format(value)}` : `$${value >= 1 ? value.toFixed(2) : significant.format(value)}`;
}

/** `830 ns`, `12.4 µs`, `3.1 ms`, `2.5 s`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return NONE;
  if (ms === 0) return '0 ms';
  if (ms < 0.001) return `${significant.format(ms * 1e6)} ns`;
  if (ms < 1) return `${significant.format(ms * 1000)} µs`;
  return ms < 1000 ? `${significant.format(ms)} ms` : `${significant.format(ms / 1000)} s`;
}

/** `4 s`, `3 min`, `2 h 5 min`, `3 d 4 h`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `token_counting` as `token counting`. */
export function words(name: string): string {
  return name.replaceAll('_', ' ');
}
