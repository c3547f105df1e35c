import { bedrockEvent } from '../../lib/testing/protocols/bedrock-frames.js';

export { bedrockEvent, bedrockException } from '../../lib/testing/protocols/bedrock-frames.js';

type Fields = Readonly<Record<string, unknown>>;

/** The events of the stream that says what a whole answer of Converse says. */
export function bedrockStream(answer: Fields, cut = 3): Buffer[] {
  const { output, stopReason, usage, additionalModelResponseFields } = answer as {
    readonly output: { readonly message: { readonly content: readonly Fields[] } };
    readonly stopReason: string;
    readonly usage: Fields;
    readonly additionalModelResponseFields?: unknown;
  };
  const events = [bedrockEvent('messageStart', { role: 'assistant' })];
  for (const [contentBlockIndex, block] of output.message.content.entries()) {
    const delta = (value: Fields): void =>
      void events.push(bedrockEvent('contentBlockDelta', { contentBlockIndex, delta: value, p: 'abc' }));
    const pieces = (text: string): string[] => text.match(new RegExp(`[^]{1,${cut}}`, 'gu')) ?? [];
    const { text, toolUse, reasoningContent } = block as {
      readonly text?: string;
      readonly toolUse?: { readonly input: unknown; readonly toolUseId: string; readonly name: string };
      readonly reasoningContent?: {
        readonly reasoningText?: { readonly text: string; readonly signature?: string };
        readonly redactedContent?: string;
      };
    };
    if (toolUse !== undefined) {
      const { input, ...start } = toolUse;
      events.push(bedrockEvent('contentBlockStart', { contentBlockIndex, start: { toolUse: start } }));
      const written = JSON.stringify(input);
      if (written !== '{}') for (const piece of pieces(written)) delta({ toolUse: { input: piece } });
    }
    if (text !== undefined) for (const piece of pieces(text)) delta({ text: piece });
    if (reasoningContent !== undefined) {
      const { reasoningText, redactedContent } = reasoningContent;
      if (redactedContent !== undefined) delta({ reasoningContent: { redactedContent } });
      for (const piece of pieces(reasoningText?.text ?? '')) delta({ reasoningContent: { text: piece } });
      if (reasoningText?.signature !== undefined) delta({ reasoningContent: { signature: reasoningText.signature } });
    }
    events.push(bedrockEvent('contentBlockStop', { contentBlockIndex }));
  }
  events.push(
    bedrockEvent('messageStop', { stopReason, ...(additionalModelResponseFields !== undefined && { additionalModelResponseFields }) }),
  );
  events.push(bedrockEvent('metadata', { usage, metrics: { latencyMs: 1 } }));
  return events;
}
