import { InvalidArgumentError } from '../../common/errors.js';
import { containersIn } from './containers.js';
import { checkInteger, checkKnownKeys, checkObject, optional } from '../../common/options.js';

/** The most entries that the lists and objects of a request's body may have. */
export interface BodyBounds {
  /** Fields of the body. Default 1,000. */
  readonly fields?: number;
  /** Default 10,000; also items and texts of `input` and texts of `prompt`. */
  readonly messages?: number;
  /** Content parts of all messages or items together. Default 20,000. */
  readonly parts?: number;
  /** `tool_calls` of all messages together. Default 10,000. */
  readonly toolCalls?: number;
  /** Objects and lists in the arguments of all calls together. Default 200,000. */
  readonly argumentValues?: number;
  /** `tools` and `functions`. Default 1,024. */
  readonly tools?: number;
  /** Token ids in `input` or `prompt`. Default 1,000,000. */
  readonly tokenIds?: number;
  /** Names and targets of `fallbacks`, those in chains by model group included. Default 64. */
  readonly fallbacks?: number;
  /** `tags`, also those in `metadata`. Default 64. */
  readonly tags?: number;
  /** Default 64. */
  readonly stop?: number;
  /** Keys of `metadata`. Default 1,000. */
  readonly metadata?: number;
  /** Keys of `logit_bias`. Default 10,000. */
  readonly logitBias?: number;
  /** Entries of any other list among the fields. Default 1,000. */
  readonly list?: number;
}

export type ResolvedBodyBounds = Required<BodyBounds>;

export const DEFAULT_BODY_BOUNDS: ResolvedBodyBounds = {
  fields: 1000,
  messages: 10_000,
  parts: 20_000,
  toolCalls: 10_000,
  argumentValues: 200_000,
  tools: 1024,
  tokenIds: 1_000_000,
  fallbacks: 64,
  tags: 64,
  stop: 64,
  metadata: 1000,
  logitBias: 10_000,
  list: 1000,
};

/** @throws InvalidConfigurationError naming the option. */
export function resolveBodyBounds(path: string, value: unknown): ResolvedBodyBounds {
  const given = checkObject(path, value ?? {});
  const names = Object.keys(DEFAULT_BODY_BOUNDS) as (keyof BodyBounds)[];
  checkKnownKeys(path, given, names);
  const bound = (name: keyof BodyBounds): number =>
    optional(given[name], DEFAULT_BODY_BOUNDS[name], (each) => checkInteger(`${path}.${name}`, each, { min: 1, max: 100_000_000 }));
  return Object.fromEntries(names.map((name) => [name, bound(name)])) as unknown as ResolvedBodyBounds;
}

type Fields = Readonly<Record<string, unknown>>;

/** Fewer characters of arguments have no more containers than any bound. */
const COUNTED_ARGUMENTS = 64 * 1024;

/** The bound of a field that is a list. */
const LISTS: ReadonlyMap<string, keyof BodyBounds> = new Map([
  ['messages', 'messages'],
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

/** The bound of a field's own entries; `undefined`: it has none. @param list what a list has */
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
 * @param textOf the text that a string of an outline stands for
 */
export function checkBodyBounds(body: Fields, bounds: ResolvedBodyBounds, path = '', textOf?: (text: string) => string): void {
  new BodyCheck(bounds, path, textOf).check(body);
}

class BodyCheck {
  private parts = 0;
  private toolCalls = 0;
  /** Characters of all arguments of calls, and objects and lists in those behind the first. */
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
      if (name === 'messages' || name === 'input') this.checkMessages(name, value);
    }
    this.checkKeys(body.metadata, 'metadata', 'metadata');
    this.checkKeys(body.logit_bias, 'logit_bias', 'logitBias');
    const { tags } = (body.metadata ?? {}) as Fields;
    if (Array.isArray(tags)) this.atMost('tags', tags.length, 'metadata.tags');
    // The fallbacks of a fallback are never used.
    if (this.path !== '') return;
    for (const name of FALLBACKS) if (typeof body[name] === 'object' && body[name] !== null) this.checkFallbacks(name, body[name]);
  }

  private atMost(bound: keyof BodyBounds, count: number, name: string): void {
    const most = this.bounds[bound];
    if (count <= most) return;
    const rule = `must not have more than ${most} entries (llmClient.bounds.${bound})`;
    throw new InvalidArgumentError(this.path + name, count, rule, 'TOO_MANY_ENTRIES');
  }

  private checkKeys(value: unknown, name: string, bound: keyof BodyBounds): void {
    if (typeof value === 'object' && value !== null) this.atMost(bound, Object.keys(value).length, name);
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
      this.checkArguments(input, `${name}[${i}].arguments`);
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
  // Of a program's own body: functions throw at this name.
  return typeof called === 'object' && called !== null ? (called as { readonly arguments?: unknown }).arguments : undefined;
}
