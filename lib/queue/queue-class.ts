/** Priority class of a waiting call. */
export type QueueClass = 'critical' | 'default' | 'batch';

/** The most urgent first. */
export const QUEUE_CLASSES = ['critical', 'default', 'batch'] as const satisfies readonly QueueClass[];

/** From here on LiteLLM's `priority` is the class `batch`. */
const BATCH_FROM = 128;

/** The class of LiteLLM's `priority`: 0 is `critical`, 1 to 127 `default`, from 128 on `batch`. */
export function classOfPriority(priority: number): QueueClass {
  if (priority <= 0) return 'critical';
  return priority < BATCH_FROM ? 'default' : 'batch';
}

/** The class that a header names, by name or as LiteLLM's number; `undefined`: none. */
export function classInHeader(value: unknown): QueueClass | undefined {
  if (typeof value !== 'string') return undefined;
  const named = QUEUE_CLASSES.find((name) => name === value);
  if (named !== undefined) return named;
  return /^\d{1,3}$/.test(value) ? classOfPriority(Number(value)) : undefined;
}

/** The less urgent of two classes. */
export function lowerOf(first: QueueClass, second: QueueClass): QueueClass {
  return rankOf(first) > rankOf(second) ? first : second;
}

/** 0 is the most urgent. */
export function rankOf(name: QueueClass): number {
  return QUEUE_CLASSES.indexOf(name);
}
