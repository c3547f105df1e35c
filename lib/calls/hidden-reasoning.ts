/** Models that reason before they answer, and bill this reasoning without showing it. */
const HIDES_REASONING = /(?:^|[/.])(?:o[1-9](?:$|-)|gpt-5|gemini-(?:2\.5|[3-9])|grok-4)/;

/** Whether a model can bill reasoning that its answers do not show. */
export function mayHideReasoning(model: string): boolean {
  return HIDES_REASONING.test(model);
}
