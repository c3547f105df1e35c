import { EventStreamCodec } from '@smithy/eventstream-codec';

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text),
);

function frame(headers: Readonly<Record<string, string>>, payload: unknown): Buffer {
  const all = { ...headers, ':content-type': 'application/json' };
  const strings = Object.entries(all).map(([name, value]) => [name, { type: 'string', value }] as const);
  return Buffer.from(codec.encode({ headers: Object.fromEntries(strings), body: Buffer.from(JSON.stringify(payload)) }));
}

/** An event of Bedrock's stream, as the vendor's encoder writes it. */
export function bedrockEvent(type: string, payload: object): Buffer {
  return frame({ ':message-type': 'event', ':event-type': type }, payload);
}

/** An exception within a stream. */
export function bedrockException(type: string, message: string): Buffer {
  return frame({ ':message-type': 'exception', ':exception-type': type }, { message });
}

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
