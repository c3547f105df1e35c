import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { containersIn } from './containers.js';
import { integer, resolveOptions, type Option, type OptionsOf, type Resolved } from '../../common/option.js';

const bound = (byDefault: number): Option<number, number> => integer({ min: 1, max: 100_000_000, default: byDefault });

export const BODY_BOUNDS = {
  /** Fields of the body. Default 1,000. */
  fields: bound(1_000),
  /** `messages`, items and texts of `input`, texts of `prompt`. Default 10,000. */
  messages: bound(10_000),
  /** Content parts of all messages or items together. Default 20,000. */
  parts: bound(20_000),
  /** `tool_calls` of all messages together. Default 10,000. */
  toolCalls: bound(10_000),
  /** Objects and lists in the arguments of all tool calls together. Default 200,000. */
  argumentValues: bound(200_000),
  /** `tools` and `functions`. Default 1,024. */
  tools: bound(1_024),
  /** Token ids in `input` or `prompt`. Default 1,000,000. */
  tokenIds: bound(1_000_000),
  /** Names and targets in `fallbacks`, including those in chains by model group. Default 64. */
  fallbacks: bound(64),
  /** `tags`, including those in `metadata`. Default 64. */
  tags: bound(64),
  /** `stop`. Default 64. */
  stop: bound(64),
  /** Keys of `metadata`. Default 1,000. */
  metadata: bound(1_000),
  /** Keys of `logit_bias`. Default 10,000. */
  logitBias: bound(10_000),
  /** Entries of any other list among the fields. Default 1,000. */
  list: bound(1_000),
};

/** Maximum number of entries in the lists and objects of a request's body. */
export interface BodyBounds extends OptionsOf<typeof BODY_BOUNDS> {}
export interface ResolvedBodyBounds extends Resolved<typeof BODY_BOUNDS> {}
export const DEFAULT_BODY_BOUNDS = resolveOptions(BODY_BOUNDS, '');

/** Fewer characters of arguments have no more containers than any bound. */
const COUNTED_ARGUMENTS = 64 * 1024;

/** The bound of a field that is a list. */
const LISTS: ReadonlyMap<string, keyof BodyBounds> = new Map([
  ['messages', 'messages'],
  ['contents', 'messages'],
  ['tools', 'tools'],
  ['functions', 'tools'],
  ['tags', 'tags'],
  ['stop', 'stop'],
  ['fallbacks', 'fallbacks'],
  ['context_window_fallbacks', 'fallbacks'],
  ['content_policy_fallbacks', 'fallbacks'],
]);
/** The bound of a field that is an object. */
const OBJECTS: ReadonlyMap<string, keyof BodyBounds> = new Map([
  ['metadata', 'metadata'],
  ['logit_bias', 'logitBias'],
]);
const FALLBACKS: readonly string[] = [...LISTS.keys()].filter((name) => LISTS.get(name) === 'fallbacks');

/** The bound of a field's own entries; `undefined` if it has none. @param list what a list has */
export function boundOfField(name: string, list: 'numbers' | 'others' | undefined): keyof BodyBounds | undefined {
  if (list === undefined) return OBJECTS.get(name);
  if (name === 'input' || name === 'prompt') return list === 'numbers' ? 'tokenIds' : 'messages';
  return LISTS.get(name) ?? 'list';
}

/**
 * Checks the lists and objects of a request's body against their bounds, before other code walks
 * them.
 * @throws InvalidArgumentError (`TOO_MANY_ENTRIES`) naming the field, the bound and the number of
 * entries.
 * @param textOf the text that a string in an outline refers to
 */
export function checkBodyBounds(body: Fields, bounds: ResolvedBodyBounds, path = '', textOf?: (text: string) => string): void {
  new BodyCheck(bounds, path, textOf).check(body);
}

class BodyCheck {
  private parts = 0;
  private toolCalls = 0;
  /** Characters of all arguments of calls, and objects and lists in those after the first. */
  private arguments = 0;
  private values = 0;

  constructor(
    private readonly bounds: ResolvedBodyBounds,
    private readonly path: string,
    private readonly textOf = (text: string): string => text,
  ) {}

  check(body: Fields): void {
    const names = Object.keys(body);
    this.atMost('fields', names.length, this.path === '' ? 'body' : this.path.slice(0, -1));
    for (const name of names) {
      const value = body[name];
      if (!Array.isArray(value)) continue;
      if (name === 'input' || name === 'prompt') this.checkInput(name, value);
      else this.atMost(LISTS.get(name) ?? 'list', value.length, name);
      if (name === 'messages' || name === 'input' || name === 'contents') this.checkMessages(name, value);
    }
    const { metadata, logit_bias: bias } = body;
    if (typeof bias === 'object' && bias !== null) this.atMost('logitBias', Object.keys(bias).length, 'logit_bias');
    if (typeof metadata === 'object' && metadata !== null) {
      const { tags } = metadata as Fields;
      this.atMost('metadata', Object.keys(metadata).length, 'metadata');
      if (Array.isArray(tags)) this.atMost('tags', tags.length, 'metadata.tags');
    }
    // The fallbacks of a fallback are never used.
    if (this.path !== '') return;
    for (const name of FALLBACKS) if (typeof body[name] === 'object' && body[name] !== null) this.checkFallbacks(name, body[name]);
  }

  private atMost(bound: keyof BodyBounds, count: number, name: string): void {
    const most = this.bounds[bound];
    if (count <= most) return;
    const rule = `must have at most ${most} entries (llmClient.bounds.${bound})`;
    throw new InvalidArgumentError(this.path + name, count, rule, 'TOO_MANY_ENTRIES');
  }

  /** `input` or `prompt`: texts, items, token ids, or lists of these. */
  private checkInput(name: string, inputs: readonly unknown[]): void {
    if (typeof inputs[0] === 'number') return this.atMost('tokenIds', inputs.length, name);
    this.atMost('messages', inputs.length, name);
    let ids = 0;
    for (const input of inputs) if (Array.isArray(input)) ids += input.length;
    this.atMost('tokenIds', ids, name);
  }

  private checkMessages(name: string, messages: readonly unknown[]): void {
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i];
      if (typeof message !== 'object' || message === null) continue;
      const { content, parts, tool_calls, arguments: input } = message as Fields;
      if (input !== undefined) this.checkArguments(input, `${name}[${i}].arguments`);
      if (Array.isArray(content)) this.atMost('parts', (this.parts += content.length), `${name}[${i}].content`);
      if (Array.isArray(parts)) this.atMost('parts', (this.parts += parts.length), `${name}[${i}].parts`);
      if (!Array.isArray(tool_calls)) continue;
      this.atMost('toolCalls', (this.toolCalls += tool_calls.length), `${name}[${i}].tool_calls`);
      for (const call of tool_calls) this.checkArguments(argumentsOf(call), `${name}[${i}].tool_calls`);
    }
  }

  /** JSON in a text, which the bounds of a JSON body do not see: protocols may parse it. */
  private checkArguments(json: unknown, name: string): void {
    if (typeof json !== 'string') return;
    const text = this.textOf(json);
    this.arguments += text.length;
    if (this.arguments > COUNTED_ARGUMENTS) this.atMost('argumentValues', (this.values += containersIn(text)), name);
  }

  /** Names, targets, or chains by model group. A target has the fields and bounds of a request. */
  private checkFallbacks(name: string, fallbacks: unknown): void {
    const entries: unknown[] = Array.isArray(fallbacks) ? fallbacks : [fallbacks];
    let count = entries.length;
    const checkTarget = (target: unknown, at: string): void => {
      if (typeof target === 'object' && target !== null) checkBodyBounds(target as Fields, this.bounds, `${this.path}${at}.`, this.textOf);
    };
    entries.forEach((entry, index) => {
      if (typeof entry !== 'object' || entry === null) return;
      const at = Array.isArray(fallbacks) ? `${name}[${index}]` : name;
      if (typeof (entry as Fields).model === 'string') return checkTarget(entry, at);
      const groups = Object.keys(entry);
      this.atMost('fallbacks', (count += groups.length), name);
      for (const group of groups) {
        const chain = (entry as Fields)[group];
        if (!Array.isArray(chain)) continue;
        this.atMost('fallbacks', (count += chain.length), name);
        chain.forEach((target, place) => checkTarget(target, `${at}.${group}[${place}]`));
      }
    });
  }
}

function argumentsOf(call: unknown): unknown {
  const { function: called } = (call ?? {}) as { readonly function?: unknown };
  // For bodies made in code: functions throw for this name.
  return typeof called === 'object' && called !== null ? (called as { readonly arguments?: unknown }).arguments : undefined;
}
