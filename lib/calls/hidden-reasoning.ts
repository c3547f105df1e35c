/** Models that reason before they answer, and bill the reasoning without showing it. */
const HIDES_REASONING = /(?:^|[/.])(?:o[1-9](?:$|-)|gpt-5|gemini-(?:2\.5|[3-9])|grok-4)/;

/** Whether reasoning can be part of what a model bills although its answers do not show it. */
export function mayHideReasoning(model: string): boolean {
  return HIDES_REASONING.test(model);
}
