type Fields = Readonly<Record<string, unknown>>;

/** A message as Anthropic answers it. */
export interface AnthropicMessage extends Fields {
  readonly content: readonly Fields[];
  readonly usage: Fields;
}

export function anthropicMessage(content: readonly Fields[], fields: Fields = {}): AnthropicMessage {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 7,
    service_tier: 'standard',
  };
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5-20250929' };
  return { ...head, content, stop_reason: 'end_turn', stop_sequence: null, usage, ...fields };
}

/** One event, as Anthropic writes it. */
export function anthropicEvent(data: Fields): string {
  return `event: ${String(data.type)}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The events of a message as a stream; texts in pieces of `size` characters. */
export function anthropicEvents(message: AnthropicMessage, size = 5): string[] {
  const { content, usage, stop_reason, stop_sequence, ...head } = message;
  const { output_tokens, output_tokens_details, ...input } = usage;
  const start = { ...head, content: [], stop_reason: null, stop_sequence: null, usage: { ...input, output_tokens: 1 } };
  const events = [
    { type: 'message_start', message: start },
    { type: 'ping' },
    ...content.flatMap((block, index) => blockEvents(block, index, size)),
  ];
  const end = { output_tokens, ...(output_tokens_details !== undefined && { output_tokens_details }) };
  const delta = { type: 'message_delta', delta: { stop_reason, stop_sequence }, usage: end };
  return [...events, delta, { type: 'message_stop' }].map(anthropicEvent);
}

function blockEvents(block: Fields, index: number, size: number): Fields[] {
  const delta = (fields: Fields): Fields => ({ type: 'content_block_delta', index, delta: fields });
  const deltas: Fields[] = [];
  let start = block;
  if (block.type === 'text') {
    start = { ...block, text: '', citations: undefined };
    deltas.push(...pieces(block.text, size).map((text) => delta({ type: 'text_delta', text })));
  } else if (block.type === 'thinking') {
    start = { type: 'thinking', thinking: '', signature: '' };
    deltas.push(...pieces(block.thinking, size).map((thinking) => delta({ type: 'thinking_delta', thinking })));
    deltas.push(delta({ type: 'signature_delta', signature: block.signature }));
  } else if (block.type === 'tool_use' || block.type === 'server_tool_use') {
    start = { ...block, input: {} };
    const json = JSON.stringify(block.input);
    if (json !== '{}') deltas.push(...['', ...pieces(json, size)].map((partial_json) => delta({ type: 'input_json_delta', partial_json })));
  }
  return [{ type: 'content_block_start', index, content_block: start }, ...deltas, { type: 'content_block_stop', index }];
}

function pieces(text: unknown, size: number): string[] {
  return String(text).match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
}
