/** Events of Anthropic's Messages API, as its own SDK puts them together. */
export interface MessageEvent {
  readonly type: string;
  readonly index?: number;
  readonly message?: Message;
  readonly content_block?: Readonly<Record<string, unknown>>;
  readonly delta?: Readonly<Record<string, unknown>>;
  readonly usage?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly type: string; readonly message: string };
}

export interface Message {
  readonly content: readonly Readonly<Record<string, unknown>>[];
  readonly usage: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** Parses a stream. Each event has the name that its data has. */
export function messageEventsIn(stream: string): MessageEvent[] {
  return stream
    .split('\n\n')
    .slice(0, -1)
    .map((event) => {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
      const parsed = JSON.parse(data) as MessageEvent;
      if (parsed.type !== name) throw new Error(`the event ${name} has the type ${parsed.type}`);
      return parsed;
    });
}

const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ['text_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  redacted_thinking: [],
  tool_use: ['input_json_delta'],
};

/** What is wrong with the order of a stream's events; `undefined`: nothing. */
export function disorderIn(events: readonly MessageEvent[]): string | undefined {
  let [open, next]: [string | undefined, number] = [undefined, 0];
  let stage: 'start' | 'blocks' | 'stop' | 'over' = 'start';
  for (const [at, { type, index, content_block: block, delta }] of events.entries()) {
    const wrong = `event ${at} is ${type} ${index ?? ''} in ${stage}${open === undefined ? '' : ` and ${open}`}`;
    if (stage === 'over') return wrong;
    if (type === 'error') stage = 'over';
    else if (type === 'ping') {
      if (stage === 'start') return wrong;
    } else if (type === 'message_start') {
      if (stage !== 'start') return wrong;
      stage = 'blocks';
    } else if (type === 'message_delta') {
      if (stage !== 'blocks' || open !== undefined) return wrong;
      stage = 'stop';
    } else if (type === 'message_stop') {
      if (stage !== 'stop') return wrong;
      stage = 'over';
    } else if (type === 'content_block_start') {
      if (stage !== 'blocks' || open !== undefined || index !== next) return wrong;
      open = String(block?.type);
    } else if (type === 'content_block_delta') {
      if (open === undefined || index !== next || !DELTAS[open].includes(String(delta?.type))) return `${wrong}: ${String(delta?.type)}`;
    } else if (type === 'content_block_stop') {
      if (open === undefined || index !== next) return wrong;
      open = undefined;
      next++;
    } else return wrong;
  }
  return stage === 'over' ? undefined : `the stream ends in ${stage}`;
}

/** The whole message that a stream's events make. */
export function joinedMessage(events: readonly MessageEvent[]): Message {
  let message: Message = { content: [], usage: {} };
  const content: Record<string, unknown>[] = [];
  let json = '';
  for (const { type, message: begun, content_block: block, delta = {}, usage } of events) {
    if (type === 'message_start') message = begun as Message;
    if (type === 'message_delta') message = { ...message, ...delta, usage: { ...message.usage, ...usage } };
    if (type === 'content_block_start') {
      content.push({ ...block });
      json = '';
    }
    const last = content.at(-1) ?? {};
    if (type === 'content_block_stop' && json !== '') last.input = JSON.parse(json);
    if (type !== 'content_block_delta') continue;
    if (delta.type === 'text_delta') last.text = String(last.text) + String(delta.text);
    if (delta.type === 'thinking_delta') last.thinking = String(last.thinking) + String(delta.thinking);
    if (delta.type === 'signature_delta') last.signature = delta.signature;
    if (delta.type === 'input_json_delta') json += String(delta.partial_json);
  }
  return { ...message, content };
}
