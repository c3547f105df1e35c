import { listIn, pieces, SCRIPTED_USAGE, type Fields, type ScriptedAnswer, type ScriptedProtocol } from './protocol-script.js';

const { input, cached, output } = SCRIPTED_USAGE;
const USAGE = {
  input_tokens: input - cached,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cached,
  output_tokens: output,
};
const ID = /^[\w-]+$/;
const NAME = /^[\w-]{1,128}$/;
/** What Claude's signatures begin with here, and no other provider's. */
export const CLAUDE_SIGNATURE = 'signed-by-claude-';

function contentOf({ thinking, text, calls = [] }: ScriptedAnswer, nextId: () => string): Fields[] {
  return [
    ...(thinking === undefined ? [] : [{ type: 'thinking', thinking, signature: CLAUDE_SIGNATURE + nextId() }]),
    ...(text === undefined ? [] : [{ type: 'text', text }]),
    ...calls.map(({ name, input: given }) => ({ type: 'tool_use', id: `toolu_${nextId()}`, name, input: given })),
  ];
}

function headOf(content: readonly Fields[], stop: string | null, usage: object): object {
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content,
    stop_reason: stop,
    stop_sequence: null,
    usage,
  };
}

function stopOf({ calls = [], isCut = false }: ScriptedAnswer): string {
  return isCut ? 'max_tokens' : calls.length > 0 ? 'tool_use' : 'end_turn';
}

function eventsOf(block: Fields, index: number): object[] {
  const { type, thinking, signature, text, input: given, ...head } = block;
  const start: Fields =
    type === 'thinking' ? { type, thinking: '', signature: '' } : type === 'text' ? { type, text: '' } : { type, ...head, input: {} };
  const deltas: object[] =
    type === 'thinking'
      ? [...pieces(String(thinking)).map((piece) => ({ type: 'thinking_delta', thinking: piece })), { type: 'signature_delta', signature }]
      : type === 'text'
        ? pieces(String(text)).map((piece) => ({ type: 'text_delta', text: piece }))
        : pieces(JSON.stringify(given)).map((piece) => ({ type: 'input_json_delta', partial_json: piece }));
  return [
    { type: 'content_block_start', index, content_block: start },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
}

/** Anthropic's Messages API. */
export const ANTHROPIC_SCRIPT: ScriptedProtocol = {
  name: 'anthropic',
  params: (origin) => ({ model: 'anthropic/claude-sonnet-4-5', api_base: origin, api_key: 'sk-anthropic' }),
  isStream: (_, { stream }) => stream === true,
  whole: (answer, nextId) => headOf(contentOf(answer, nextId), stopOf(answer), USAGE),
  stream(answer, nextId) {
    const events: object[] = [
      { type: 'message_start', message: headOf([], null, { ...USAGE, output_tokens: 1 }) },
      { type: 'ping' },
      ...contentOf(answer, nextId).flatMap(eventsOf),
      { type: 'message_delta', delta: { stop_reason: stopOf(answer), stop_sequence: null }, usage: USAGE },
      { type: 'message_stop' },
    ];
    const written = events.map((event) => `event: ${(event as { type: string }).type}\ndata: ${JSON.stringify(event)}\n\n`);
    return { type: 'text/event-stream', body: written.join('') };
  },
  faultsIn(body) {
    const messages = listIn(body.messages);
    const faults = messages.flatMap((message, at) => messageFaults(message, messages[at - 1], `messages[${at}]`));
    if (messages[0]?.role !== 'user') faults.push('messages: the first is not of the user');
    for (const { name } of listIn(body.tools)) if (!NAME.test(String(name))) faults.push(`tools: the name ${String(name)}`);
    if (!Number.isInteger(body.max_tokens)) faults.push('max_tokens: Field required');
    return [...faults, ...thinkingFaults(body, messages)];
  },
  error: (status, message) => ({ type: 'error', error: { type: status === 400 ? 'invalid_request_error' : 'api_error', message } }),
};

function messageFaults({ role, content }: Fields, before: Fields | undefined, path: string): string[] {
  const faults: string[] = [];
  const blocks = listIn(content);
  if (content === '' || (Array.isArray(content) && blocks.length === 0)) faults.push(`${path}: must have content`);
  const asked = before?.role === 'assistant' ? listIn(before.content).filter(({ type }) => type === 'tool_use') : [];
  const results = blocks.filter(({ type }) => type === 'tool_result').map(({ tool_use_id: id }) => id);
  if (role === 'user' && asked.some(({ id }) => !results.includes(id))) faults.push(`${path}: a tool_use without its tool_result`);
  if (results.some((id) => !asked.some((use) => use.id === id))) faults.push(`${path}: a tool_result without its tool_use`);
  if (new Set(results).size < results.length) faults.push(`${path}: several results of one call`);
  if (blocks.slice(0, results.length).some(({ type }) => type !== 'tool_result')) faults.push(`${path}: a block before tool_results`);
  for (const { type, text, id, name, signature } of blocks) {
    if (type === 'text' && !/\S/.test(String(text))) faults.push(`${path}: a text without content`);
    if (type === 'tool_use' && !(ID.test(String(id)) && NAME.test(String(name)))) faults.push(`${path}: the call ${String(id)}`);
    if (type === 'thinking' && !String(signature).startsWith(CLAUDE_SIGNATURE)) faults.push(`${path}: Invalid signature`);
  }
  return faults;
}

/** With a budget, the model's last turn has to begin with its thinking. */
function thinkingFaults({ thinking, tool_choice: choice }: Fields, messages: readonly Fields[]): string[] {
  const { type } = (thinking ?? {}) as Fields;
  const faults: string[] = [];
  const last = messages.findLast(({ role }) => role === 'assistant');
  const content = listIn(last?.content);
  const calls = content.some((block) => block.type === 'tool_use');
  if (type === 'enabled' && calls && content[0].type !== 'thinking') faults.push('Expected `thinking`, but found another block');
  if ((type === 'enabled' || type === 'adaptive') && ['any', 'tool'].includes(String((choice as Fields | undefined)?.type)))
    faults.push('thinking with a forced tool');
  return faults;
}
