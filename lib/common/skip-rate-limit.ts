/**
 * Key of the metadata that `@SkipRateLimit` sets: the names of the skipped limits, none for all. In
 * common/, because several folders set it.
 */
export const SKIPPED_LIMITS = 'fast-litellm:skip-rate-limit';
