import type { CallDescription } from './call.js';
import type { ReadRequest } from './request.js';

/** What is known of a request's call. One literal: a spread takes 2 us of each call. */
export function describedCall(
  operation: string,
  request: ReadRequest,
  { promptTokens, counted }: Pick<CallDescription, 'promptTokens' | 'counted'>,
): CallDescription {
  const { model, stream, maxTokens, isUnlimited, dropsLimit, choices, isBackground, askedTier } = request;
  const { hasSound, soundTokens, pictures, searches, startedAtMs } = request;
  return {
    operation,
    model,
    stream,
    maxTokens,
    isUnlimited,
    dropsLimit,
    choices,
    isBackground,
    askedTier,
    hasSound,
    soundTokens,
    pictures,
    searches,
    promptTokens,
    counted,
    startedAtMs,
  };
}
