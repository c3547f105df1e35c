// What is compared of answers: the facts that a client acts on, without ids and times.

export type Fields = Readonly<Record<string, unknown>>;

/** The facts of a whole answer, or of a stream's events. */
export function factsOf(operation: string, answer: unknown, isStream: boolean): Fields {
  if (operation === 'messages') return messageFacts(isStream ? joinedMessage(answer as Fields[]) : (answer as Fields));
  if (operation === 'responses') return responseFacts(isStream ? lastResponse(answer as Fields[]) : (answer as Fields));
  return isStream ? joinedChat(answer as Fields[]) : chatFacts(answer as Fields);
}

function chatFacts({ choices, usage }: Fields): Fields {
  return {
    choices: list(choices).map(({ message, finish_reason }) => messageOfChoice(message as Fields, finish_reason)),
    usage: usageFacts(usage),
  };
}

function messageOfChoice(message: Fields, finish: unknown): Fields {
  const { content, refusal, reasoning_content: reasoning, thinking_blocks: blocks, tool_calls: calls } = message;
  return {
    finish,
    // Spaces in structured output mean nothing.
    content: (text(content).startsWith('{') ? parsed(content) : content) || undefined,
    refusal: refusal || undefined,
    reasoning: reasoning || undefined,
    thinking: joinedThinking(list(blocks)),
    calls: orNone(
      list(calls)
        .map(({ id, type, function: called }) => ({ id, type, ...(called as Fields) }))
        .map(withParsedArguments),
    ),
  };
}

/** Blocks that a stream brought in parts: the texts of one block, then its signature. */
function joinedThinking(blocks: readonly Fields[]): readonly Fields[] | undefined {
  const joined: Record<string, unknown>[] = [];
  for (const { type, thinking, signature, data } of blocks) {
    const last = joined.at(-1);
    if (last !== undefined && last.type === type && type === 'thinking' && !last.signature) {
      last.thinking = `${text(last.thinking)}${text(thinking)}`;
      if (signature) last.signature = signature;
    } else joined.push({ type, ...(type === 'thinking' && { thinking }), ...(signature ? { signature } : {}), ...(data ? { data } : {}) });
  }
  return orNone(joined);
}

function joinedChat(chunks: readonly Fields[]): Fields {
  const choices: { message: Record<string, unknown>; finish: unknown }[] = [];
  let usage: unknown;
  for (const chunk of chunks) {
    if (chunk.usage) usage = chunk.usage;
    for (const { index, delta, finish_reason: finish } of list(chunk.choices)) {
      const choice = (choices[index as number] ??= { message: {}, finish: undefined });
      if (finish) choice.finish = finish;
      addDelta(choice.message, (delta ?? {}) as Fields);
    }
  }
  return { choices: choices.map(({ message, finish }) => messageOfChoice(message, finish)), usage: usageFacts(usage) };
}

function addDelta(message: Record<string, unknown>, delta: Fields): void {
  for (const key of ['content', 'refusal', 'reasoning_content']) if (delta[key]) message[key] = `${text(message[key])}${text(delta[key])}`;
  if (Array.isArray(delta.thinking_blocks)) message.thinking_blocks = [...list(message.thinking_blocks), ...list(delta.thinking_blocks)];
  const calls = (message.tool_calls ??= []) as Record<string, unknown>[];
  for (const { index, id, type, function: called } of list(delta.tool_calls)) {
    const call = (calls[index as number] ??= { function: { name: '', arguments: '' } });
    const { name, arguments: part } = (called ?? {}) as Fields;
    const known = call.function as Record<string, unknown>;
    if (id) call.id = id;
    if (type) call.type = type;
    known.name = `${text(known.name)}${text(name)}`;
    known.arguments = `${text(known.arguments)}${text(part)}`;
  }
}

function usageFacts(usage: unknown): Fields | undefined {
  if (!usage) return undefined;
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total, ...more } = usage as Fields;
  const promptDetails = (more.prompt_tokens_details ?? {}) as Fields;
  const completionDetails = (more.completion_tokens_details ?? {}) as Fields;
  return {
    prompt,
    completion,
    total,
    cached: promptDetails.cached_tokens || undefined,
    cacheCreation: promptDetails.cache_creation_tokens || more.cache_creation_input_tokens || undefined,
    reasoning: completionDetails.reasoning_tokens || undefined,
  };
}

function messageFacts({ content, stop_reason: stop, usage, type, role }: Fields): Fields {
  return { type, role, content: list(content).map(blockFacts), stop, usage: messageUsage(usage) };
}

function blockFacts({ type, text: said, thinking, signature, id, name, input }: Fields): Fields {
  if (type === 'text') return { type, text: said };
  if (type === 'thinking') return { type, thinking, signature: signature || undefined };
  return { type, id, name, input };
}

function messageUsage(usage: unknown): Fields {
  const {
    input_tokens: input,
    output_tokens: output,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: written,
  } = (usage ?? {}) as Fields;
  return { input, output, read: read || undefined, written: written || undefined };
}

/** As Anthropic's SDK joins a stream. */
function joinedMessage(events: readonly Fields[]): Fields {
  let message: Record<string, unknown> = {};
  const blocks: Record<string, unknown>[] = [];
  for (const event of events) {
    const index = event.index as number;
    if (event.type === 'message_start') message = { ...(event.message as Fields) };
    if (event.type === 'content_block_start') blocks[index] = { ...(event.content_block as Fields), json: '' };
    if (event.type === 'content_block_delta') {
      const { text: said = '', thinking = '', signature, partial_json: json = '' } = event.delta as Fields;
      const block = blocks[index];
      if (block.type === 'text') block.text = `${text(block.text)}${text(said)}`;
      if (block.type === 'thinking') block.thinking = `${text(block.thinking)}${text(thinking)}`;
      if (signature) block.signature = signature;
      block.json = `${text(block.json)}${text(json)}`;
    }
    if (event.type === 'message_delta') {
      Object.assign(message, event.delta);
      const given = Object.entries((event.usage ?? {}) as Fields).filter(([, value]) => value !== null);
      message.usage = { ...(message.usage as Fields), ...Object.fromEntries(given) };
    }
  }
  message.content = blocks.map(({ json, ...block }) =>
    block.type === 'tool_use' ? { ...block, input: JSON.parse((json as string) || '{}') as unknown } : block,
  );
  return message;
}

function responseFacts({ status, output, usage, incomplete_details: incomplete }: Fields): Fields {
  const { input_tokens: input, output_tokens: written, total_tokens: total, ...more } = (usage ?? {}) as Fields;
  return {
    status,
    reason: (incomplete as Fields | null | undefined)?.reason,
    output: list(output).map(itemFacts),
    usage: {
      input,
      output: written,
      total,
      cached: ((more.input_tokens_details ?? {}) as Fields).cached_tokens || undefined,
      reasoning: ((more.output_tokens_details ?? {}) as Fields).reasoning_tokens || undefined,
    },
  };
}

function itemFacts({ type, role, content, name, call_id: callId, arguments: given, summary, status }: Fields): Fields {
  if (type === 'message')
    return { type, role, status, content: list(content).map((part) => ({ type: part.type, text: part.text, refusal: part.refusal })) };
  if (type === 'function_call') return withParsedArguments({ type, status, name, callId, arguments: given });
  return { type, text: [...list(summary), ...list(content)].map((part) => part.text).join('') };
}

function lastResponse(events: readonly Fields[]): Fields {
  const last = events.findLast(({ type }) => /^response\.(?:completed|incomplete|failed)$/.test(text(type)));
  return (last?.response ?? {}) as Fields;
}

/** Spaces in arguments mean nothing. */
function withParsedArguments(call: Fields): Fields {
  return { ...call, arguments: parsed(call.arguments) };
}

const JSON_TEXTS = new Set(['arguments', 'schema']);

/** A request's body; JSON within texts is parsed, because spaces in it mean nothing. */
export function bodyFacts(body: Fields): Fields {
  return inCamelCase(JSON.parse(JSON.stringify(body), (key, value: unknown) => (JSON_TEXTS.has(key) ? parsed(value) : value))) as Fields;
}

/** Fields of Gemini's API, which reads both `topP` and `top_p`. */
const GEMINI_FIELDS = new Set(
  `system_instruction function_call function_response function_declarations inline_data mime_type file_data file_uri max_output_tokens top_p top_k
  response_mime_type response_json_schema response_schema tool_config function_calling_config allowed_function_names stop_sequences thinking_config
  frequency_penalty presence_penalty candidate_count`.split(/\s+/),
);

/** Renames the fields of a request of Gemini; any other request has no `contents`. */
function inCamelCase(body: unknown): unknown {
  if (!isFields(body) || !Array.isArray(body.contents)) return body;
  const text = JSON.stringify(body).replace(/"([a-z_]+)":/g, (found, name: string) =>
    GEMINI_FIELDS.has(name) ? `"${camelCase(name)}":` : found,
  );
  return JSON.parse(text) as unknown;
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Ids that are made at random, by their order, as protocols.py writes them. */
export function withCountedIds(value: unknown): unknown {
  const ids = new Map<string, string>();
  const counted = (id: string): string => ids.get(id) ?? (ids.set(id, `random-${ids.size + 1}`).get(id) as string);
  return JSON.parse(JSON.stringify(value ?? null).replace(/(?<=_)[0-9a-f]{24,32}/g, counted)) as unknown;
}

function parsed(value: unknown): unknown {
  try {
    return JSON.parse(text(value)) as unknown;
  } catch {
    return value;
  }
}

/** Paths at which two JSON values differ: `messages[0].content`, with both values. */
export function differences(theirs: unknown, ours: unknown, path = ''): readonly string[] {
  if (isFields(theirs) && isFields(ours)) {
    const keys = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
    return [...keys].flatMap((key) => differences(theirs[key], ours[key], path === '' ? key : `${path}.${key}`));
  }
  if (Array.isArray(theirs) && Array.isArray(ours) && theirs.length === ours.length) {
    return theirs.flatMap((each, at) => differences(each, ours[at], `${path}[${at}]`));
  }
  return JSON.stringify(theirs) === JSON.stringify(ours) ? [] : [`${path}: LiteLLM ${shown(theirs)}, ours ${shown(ours)}`];
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : [];
}

function orNone<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
