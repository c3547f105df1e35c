/** Injection token of what the routes about spend answer from. */
export const SPEND_DESK = Symbol('FastLiteLLMSpendDesk');
