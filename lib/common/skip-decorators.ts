import 'reflect-metadata';

const SKIPPED = 'fast-litellm:skip-performance';

/**
 * Excludes a route, or every route of a class, from the measurements of `PerformanceInterceptor`:
 * for example probes, and event streams that end only when the client disconnects.
 *
 * @example
 * \@Sse('events') @SkipPerformance()
 * events() { … }
 */
export function SkipPerformance(): ClassDecorator & MethodDecorator {
  return (target: object, _property?: string | symbol, descriptor?: PropertyDescriptor): void => {
    Reflect.defineMetadata(SKIPPED, true, (descriptor?.value as object | undefined) ?? target);
  };
}

/** Whether any of them, a method or a class, is taken out. */
export function skipsPerformance(...targets: readonly object[]): boolean {
  return targets.some((target) => Reflect.getMetadata(SKIPPED, target) === true);
}

/** Metadata key of `@SkipRateLimit`: the names of the skipped limits, none for all. */
export const SKIPPED_LIMITS = 'fast-litellm:skip-rate-limit';
