import { isObject } from '../../common/objects.js';
import { countMessage, promptOverhead, type ChatMessage } from './messages.js';
import { type PromptContext } from './prompt-context.js';

const MAX_ATTEMPTS = 10;
const GAP = '..';

/**
 * Trims a chat to `maxTokens` (as `countMessages` counts, without tools) by LiteLLM's rules:
 * - System messages are joined into one. The newest other messages are kept, as many as fit.
 * - The first message that does not fit is shortened in its middle if it is plain text.
 * - Trailing tool messages stay with the assistant message that called them; an older call is kept
 *   kept or dropped
 *   together with its results.
 * - A system message that is too long alone is shortened and the rest dropped; if it cannot be
 *   shortened, it
 *   is kept together with the trailing tool messages.
 *
 * Returns a new array; the given messages are not changed.
 */
export function trimToFit<M extends ChatMessage>(messages: readonly M[], maxTokens: number, context: PromptContext): M[] {
  const costs = new Map<ChatMessage, number>(Array.from(messages, (message, index) => [message, countMessage(message, index, context)]));
  const cost = (unit: readonly M[]): number =>
    unit.reduce((sum, message) => sum + (costs.get(message) ?? countMessage(message, 0, context)), 0);
  let left = maxTokens - promptOverhead(context.model);
  if (cost(messages) <= left) return [...messages];

  const system = joinSystem(messages.filter(isInstruction));
  const units = toUnits(messages.filter((message) => !isInstruction(message)));
  const last = units.at(-1);
  const trailing = last !== undefined && isToolResult(last[last.length - 1]) ? last : [];
  const systemCost = cost(system);
  if (systemCost > left) {
    const shortened = shortenAll(system, left, context);
    return shortened.length > 0 && cost(shortened) <= left ? shortened : [...shortened, ...trailing];
  }
  left -= systemCost;

  const kept: M[] = [...trailing];
  left -= cost(trailing);
  if (trailing.length > 0) units.pop();
  for (const unit of units.reverse()) {
    const unitCost = cost(unit);
    if (unitCost <= left) {
      kept.unshift(...unit);
      left -= unitCost;
      continue;
    }
    const shortened = unit.length === 1 ? shorten(unit[0], left, context) : undefined;
    if (shortened !== undefined) kept.unshift(shortened);
    break;
  }
  return [...system, ...kept];
}

/** Newer models call the role `developer`. */
function isInstruction({ role }: ChatMessage): boolean {
  return role === 'system' || role === 'developer';
}

function isToolResult(message: ChatMessage): boolean {
  if (message.role === 'tool' || message.role === 'function') return true;
  return Array.isArray(message.content) && message.content.some((part: unknown) => isObject(part) && part.type === 'tool_result');
}

function joinSystem<M extends ChatMessage>(system: readonly M[]): M[] {
  if (system.length < 2 || !system.every((message) => typeof message.content === 'string')) return [...system];
  return [{ ...system[0], content: system.map((message) => message.content).join('\n') }];
}

/**
 * Shortens system messages that are too long together and could not be joined: texts share the room
 * that the others leave, in order; a text without room is dropped. A single message that cannot be
 * shortened stays.
 */
function shortenAll<M extends ChatMessage>(system: readonly M[], available: number, context: PromptContext): M[] {
  const costs = system.map((message, index) => countMessage(message, index, context));
  const isText = ({ content }: ChatMessage): boolean => typeof content === 'string';
  let left = costs.reduce((rest, cost, index) => (isText(system[index]) ? rest : rest - cost), available);
  return system.flatMap((message, index) => {
    if (!isText(message)) return message;
    const fitting = costs[index] <= left ? message : shorten(message, left, context);
    if (fitting !== undefined) left -= countMessage(fitting, index, context);
    return fitting ?? (system.length === 1 ? message : []);
  });
}

/** Groups each message with the tool results that follow it. */
function toUnits<M extends ChatMessage>(messages: readonly M[]): M[][] {
  const units: M[][] = [];
  for (const message of messages) {
    const last = units.at(-1);
    if (isToolResult(message) && last !== undefined) last.push(message);
    else units.push([message]);
  }
  return units;
}

/** A copy of at most `available` tokens, cut in the middle; `undefined` if impossible. */
function shorten<M extends ChatMessage>(message: M, available: number, context: PromptContext): M | undefined {
  const { content } = message;
  if (typeof content !== 'string' || available <= 0) return undefined;
  let total = countMessage(message, 0, context);
  let units = content.length;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    units = Math.min(units - 1, Math.floor((units * available) / total));
    if (units <= 0) return undefined;
    const candidate = { ...message, content: withoutMiddle(content, units) };
    total = countMessage(candidate, 0, context);
    if (total <= available) return candidate;
  }
  return undefined;
}

/** Never cuts a surrogate pair: a lone half would count and read as another character. */
function withoutMiddle(text: string, units: number): string {
  let head = units >> 1;
  let tail = text.length - (units - head);
  if (isLowSurrogate(text, head)) head -= 1;
  if (isLowSurrogate(text, tail)) tail += 1;
  return text.slice(0, head) + GAP + text.slice(tail);
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}
