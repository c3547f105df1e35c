/** What is there, or comes later. */
export type Eventually<T> = T | Promise<T>;

/** `next` with what is there, at once where it is. */
export function then<T, R>(value: Eventually<T>, next: (value: T) => Eventually<R>): Eventually<R> {
  return isPromise(value) ? value.then(next) : next(value);
}

export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined | null)?.then === 'function';
}

/** Where the next function of the app throws, nobody waits for this one any more: unheard, its failure would end the process. */
export function handled(late: Promise<unknown>): void {
  late.then(undefined, () => {});
}
