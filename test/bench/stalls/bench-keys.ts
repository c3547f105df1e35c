/** The key of one body: each is sent with a key of its own. */
export const keyAt = (index: number): string => `sk-bench-body-${String(index).padStart(6, '0')}`;

/** The key of a client that is over its limits. */
export const OVER_LIMIT_KEY = 'sk-bench-over-its-limits';
