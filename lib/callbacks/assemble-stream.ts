import { fieldsOf, isObject, listOf, type Fields } from '../common/objects.js';

/**
 * An answer as a client without streaming gets it: the events of a stream are put together, by the
 * API that they belong to.
 */
export function wholeAnswer(answer: unknown): unknown {
  if (!Array.isArray(answer)) return answer;
  const events = answer.filter(isObject);
  const completed = events.findLast(({ response }) => isObject(response));
  if (completed !== undefined) return completed.response;
  if (events.some(({ type }) => type === 'message_start')) return wholeMessage(events);
  return events.some(({ choices }) => Array.isArray(choices)) ? wholeCompletion(events) : answer;
}

type Writable = Record<string, unknown>;

/** Chat, and completions. */
function wholeCompletion(events: readonly Fields[]): Fields {
  const whole: Writable = {};
  const choices = new Map<number, Writable>();
  for (const { choices: parts, ...fields } of events) {
    for (const [name, value] of Object.entries(fields)) if (value !== null && value !== undefined) whole[name] = value;
    for (const part of listOf(parts)) addChoice(choices, fieldsOf(part));
  }
  if (typeof whole.object === 'string') whole.object = whole.object.replace(/\.chunk$/, '');
  return { ...whole, choices: [...choices.values()].sort((a, b) => Number(a.index) - Number(b.index)) };
}

function addChoice(choices: Map<number, Writable>, { index, delta, text, finish_reason: reason }: Fields): void {
  const at = typeof index === 'number' ? index : 0;
  const choice = choices.get(at) ?? { index: at };
  choices.set(at, choice);
  if (typeof text === 'string') choice.text = ((choice.text ?? '') as string) + text;
  if (isObject(delta)) choice.message = withDelta((choice.message ?? {}) as Writable, delta);
  if (typeof reason === 'string') choice.finish_reason = reason;
}

function withDelta(message: Writable, delta: Fields): Writable {
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'tool_calls') message.tool_calls = withToolCalls((message.tool_calls ?? []) as Writable[], listOf(value));
    // A role is repeated, and texts go on.
    else if (typeof value === 'string' && name !== 'role') message[name] = ((message[name] ?? '') as string) + value;
    else if (value !== null && value !== undefined) message[name] = value;
  }
  return message;
}

function withToolCalls(calls: Writable[], parts: readonly unknown[]): Writable[] {
  for (const part of parts) {
    const { index, function: called, ...fields } = fieldsOf(part);
    const at = typeof index === 'number' && index >= 0 && index <= calls.length ? index : calls.length;
    const call = (calls[at] ??= { function: { name: '', arguments: '' } });
    Object.assign(call, fields);
    const [of, more] = [call.function as Writable, fieldsOf(called)];
    if (typeof more.name === 'string') of.name = more.name;
    if (typeof more.arguments === 'string') of.arguments = String(of.arguments) + more.arguments;
  }
  return calls;
}

/** Anthropic's Messages. */
function wholeMessage(events: readonly Fields[]): Fields {
  let message: Writable = {};
  const content: Writable[] = [];
  for (const event of events) {
    const at = typeof event.index === 'number' && event.index >= 0 && event.index <= content.length ? event.index : content.length;
    if (event.type === 'message_start') message = { ...fieldsOf(event.message) };
    else if (event.type === 'content_block_start') content[at] = { ...fieldsOf(event.content_block) };
    else if (event.type === 'content_block_delta') addDelta((content[at] ??= {}), fieldsOf(event.delta));
    else if (event.type === 'message_delta') {
      Object.assign(message, fieldsOf(event.delta));
      if (isObject(event.usage)) message.usage = { ...fieldsOf(message.usage), ...event.usage };
    }
  }
  return { ...message, content };
}

/** `partial_json` is the input of a tool, which stays a text. */
function addDelta(block: Writable, delta: Fields): void {
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'type' || typeof value !== 'string') continue;
    const of = name === 'partial_json' ? 'input' : name;
    const before = block[of];
    block[of] = typeof before === 'string' ? before + value : value;
  }
}
