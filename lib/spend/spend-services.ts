/** Injection token of the services that the spend routes use. */
export const SPEND_SERVICES = Symbol('FastLiteLLMSpendServices');
