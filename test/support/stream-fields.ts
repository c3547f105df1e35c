type Fields = Record<string, unknown>;

/** A field with text in the streams of one API. */
export interface StreamField {
  readonly name: string;
  readonly operation: 'chat' | 'completions' | 'messages' | 'responses' | 'generateContent';
  readonly isJson?: boolean;
  /** The events of a stream whose field has this text, in deltas. */
  readonly events: (deltas: readonly string[]) => readonly Fields[];
  /** What an event adds to the field. */
  readonly added: (event: Fields) => unknown;
}

type Chunk = { readonly choices?: readonly { readonly delta?: Fields; readonly text?: string }[] };

const chunk = (choice: Fields): Fields => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, ...choice }],
});
const deltaOf = (event: Fields): Fields => (event as Chunk).choices?.[0]?.delta ?? {};

function chatField(name: string, isJson: boolean, delta: (text: string) => Fields, added: (delta: Fields) => unknown): StreamField {
  return {
    name: `chat ${name}`,
    operation: 'chat',
    isJson,
    events: (deltas) => [
      chunk({ delta: { role: 'assistant', content: name === 'content' ? '' : null }, finish_reason: null }),
      ...deltas.map((text) => chunk({ delta: delta(text), finish_reason: null })),
      chunk({ delta: {}, finish_reason: 'stop' }),
    ],
    added: (event) => added(deltaOf(event)),
  };
}

function messageField(name: string, isJson: boolean, block: Fields, type: string, field: string): StreamField {
  return {
    name: `messages ${name}`,
    operation: 'messages',
    isJson,
    events: (deltas) => [
      {
        type: 'message_start',
        message: { id: 'msg', type: 'message', role: 'assistant', model: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } },
      },
      { type: 'content_block_start', index: 0, content_block: block },
      ...deltas.map((text) => ({ type: 'content_block_delta', index: 0, delta: { type, [field]: text } })),
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } },
      { type: 'message_stop' },
    ],
    added: ({ delta }) => (delta as Fields | undefined)?.[field],
  };
}

function responseField(name: string, isJson: boolean, event: string, whole: string, item: (text: string) => Fields): StreamField {
  return {
    name: `responses ${name}`,
    operation: 'responses',
    isJson,
    events: (deltas) => {
      const text = deltas.join('');
      const place = { item_id: 'i', output_index: 0, ...(event.includes('arguments') ? {} : { content_index: 0 }) };
      const response = { id: 'r', object: 'response', created_at: 1, model: 'm' };
      return [
        { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
        { type: 'response.output_item.added', output_index: 0, item: item('') },
        ...deltas.map((delta) => ({ type: `${event}.delta`, ...place, delta })),
        { type: `${event}.done`, ...place, [whole]: text },
        { type: 'response.output_item.done', output_index: 0, item: item(text) },
        { type: 'response.completed', response: { ...response, status: 'completed', output: [item(text)] } },
      ].map((each, at) => ({ ...each, sequence_number: at }));
    },
    added: ({ type, delta }) => (type === `${event}.delta` ? delta : undefined),
  };
}

type Call = { readonly function?: { readonly arguments?: string }; readonly custom?: { readonly input?: string } };
const firstCall = ({ tool_calls: calls }: Fields): Call => ((calls ?? []) as readonly Call[])[0] ?? {};
const message = (text: string): Fields => ({
  id: 'i',
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [] }],
});

/** Every field with text of a model, in every API. */
export const STREAM_FIELDS: readonly StreamField[] = [
  ...['content', 'refusal', 'reasoning_content', 'reasoning'].map((field) =>
    chatField(
      field,
      false,
      (text) => ({ [field]: text }),
      (delta) => delta[field],
    ),
  ),
  chatField(
    'thinking_blocks',
    false,
    (thinking) => ({ thinking_blocks: [{ type: 'thinking', thinking }] }),
    (delta) => ((delta.thinking_blocks ?? []) as readonly Fields[]).map(({ thinking }) => thinking).join(''),
  ),
  chatField(
    'arguments',
    true,
    (text) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] }),
    (delta) => firstCall(delta).function?.arguments,
  ),
  chatField(
    'custom input',
    false,
    (input) => ({ tool_calls: [{ index: 0, type: 'custom', custom: { input } }] }),
    (delta) => firstCall(delta).custom?.input,
  ),
  chatField(
    'unknown field',
    false,
    (text) => ({ summary_of_it: { note: text } }),
    (delta) => (delta.summary_of_it as Fields | undefined)?.note,
  ),
  {
    name: 'completions text',
    operation: 'completions',
    events: (deltas) => [...deltas.map((text) => chunk({ text, finish_reason: null })), chunk({ text: '', finish_reason: 'stop' })],
    added: (event) => (event as Chunk).choices?.[0]?.text,
  },
  messageField('text', false, { type: 'text', text: '' }, 'text_delta', 'text'),
  messageField('thinking', false, { type: 'thinking', thinking: '' }, 'thinking_delta', 'thinking'),
  messageField('input', true, { type: 'tool_use', id: 't', name: 'f', input: {} }, 'input_json_delta', 'partial_json'),
  responseField('text', false, 'response.output_text', 'text', message),
  responseField('refusal', false, 'response.refusal', 'refusal', (refusal) => ({
    ...message(''),
    content: [{ type: 'refusal', refusal }],
  })),
  responseField('reasoning', false, 'response.reasoning_text', 'text', (text) => ({
    id: 'i',
    type: 'reasoning',
    summary: [],
    content: [{ type: 'reasoning_text', text }],
  })),
  responseField('arguments', true, 'response.function_call_arguments', 'arguments', (text) => ({
    id: 'i',
    type: 'function_call',
    call_id: 'c',
    name: 'f',
    arguments: text,
  })),
  {
    name: 'generateContent text',
    operation: 'generateContent',
    events: (deltas) => [
      ...deltas.map((text) => ({ candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0 }] })),
      { candidates: [{ content: { parts: [], role: 'model' }, finishReason: 'STOP', index: 0 }] },
    ],
    added: ({ candidates }) =>
      ((candidates ?? []) as readonly { readonly content?: { readonly parts?: readonly Fields[] } }[])[0]?.content?.parts
        ?.map(({ text }) => text)
        .join(''),
  },
];
