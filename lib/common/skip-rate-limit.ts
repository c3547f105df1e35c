/** Key of the metadata that `@SkipRateLimit` sets: the names of the skipped limits, none for all. Here, so that folders beside `request` can set it too. */
export const SKIPPED_LIMITS = 'fast-litellm:skip-rate-limit';
