import {
  boolean,
  custom,
  integer,
  number,
  oneOf,
  required,
  resolveOptions,
  string,
  type OptionsOf,
  type Resolved,
} from '../common/option.js';
import { checkArray, checkObject, checkString, joinPath, refuseOption, type Refuse } from '../common/options.js';
import { nearMiss } from '../common/nearest-name.js';
import { unshown } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import type { Fields } from '../common/objects.js';
import { GUARDRAIL_MODES, type Guardrail, type GuardrailMode } from './guardrail.js';

/** Modes by the tags of a request: those of its first tag in `tags`, else `default`. */
export interface TaggedModes {
  /** Modes of requests with a tag. */
  readonly tags: Readonly<Record<string, GuardrailMode | readonly GuardrailMode[]>>;
  /** Modes of all other requests. Default: none. */
  readonly default?: GuardrailMode | readonly GuardrailMode[];
}

/** Modes after their check. */
export interface ResolvedModes {
  readonly byTag: ReadonlyMap<string, readonly GuardrailMode[]>;
  readonly otherwise: readonly GuardrailMode[];
}

/** A class that implements `Guardrail` and is a provider of the app. */
export type GuardrailClass = new (...args: never[]) => Guardrail;

const MOST_SECONDS = 600;

/** Parameters of every entry; those of its type are in `lib/guardrails/built-in/`. */
export const ENTRY_PARAMS = {
  /**
   * The type: `presidio`, `openai_moderation`, `lakera_v2`, `litellm_content_filter`,
   * `hide-secrets`, `tool_permission` or `generic_guardrail_api`. In an option also your own class,
   * a provider of the app, or an instance of one.
   */
  guardrail: required(custom<string | Guardrail | GuardrailClass>('string, class or instance', checkGuardrail)),
  /**
   * `pre_call`, `during_call`, `post_call`, `logging_only`, a list of them, or `{ tags: { <tag>:
   * mode }, default: mode }` by the tags of the request.
   */
  mode: required(
    custom<GuardrailMode | readonly GuardrailMode[] | TaggedModes, ResolvedModes>('mode, list or `{ tags, default }`', checkModes),
  ),
  /** Whether it runs for all requests, or only for those that select it. Default false. */
  default_on: boolean({ default: false }),
  /** Guardrails with a lower number run first; equal ones in the order of the list. Default 0. */
  order: integer({ default: 0 }),
  /**
   * Whether it runs after the others and together with others that set this; it cannot rewrite.
   * Default false.
   */
  run_in_parallel: boolean({ default: false }),
  /** Time limit of each request to its service, in seconds, at most 600. Default 10. */
  timeout: number({ min: 0.001, max: MOST_SECONDS, default: 10 }),
  /** How often a request to its service is repeated after a failure, at most 5. Default 0. */
  num_retries: integer({ min: 0, max: 5, default: 0 }),
  /**
   * Whether a call is denied with 503 if the guardrail fails; otherwise it continues unchecked.
   * Default `true`.
   */
  fail_on_error: boolean({ default: true }),
  /**
   * The same if its service cannot be reached: `fail_open` lets calls continue unchecked. Default
   * `fail_closed`.
   */
  unreachable_fallback: oneOf(['fail_closed', 'fail_open'], { default: 'fail_closed' }),
  /** The message of a denial; `{guardrail_name}` and `{default_message}` are replaced. */
  violation_message_template: string(),
  /** Whether system and developer messages, and `instructions`, are not checked. Default false. */
  skip_system_message_in_guardrail: boolean({ default: false }),
  /** Whether results of tools are not checked. Default false. */
  skip_tool_message_in_guardrail: boolean({ default: false }),
  /** Whether only the results of tools are checked in requests. Default false. */
  scan_only_tool_results: boolean({ default: false }),
  /**
   * Characters of a stream that arrive before the guardrail is asked again. Without it 200, or 1
   * for a guardrail that states what has to be held back.
   */
  stream_window_chars: integer({ min: 1, max: 1_000_000 }),
  /**
   * Characters at the end of judged text that a stream holds back, because they can be the
   * beginning of something longer; also the context that each window repeats. Default 200.
   */
  stream_overlap_chars: integer({ min: 0, max: 100_000, default: 200 }),
  /**
   * Characters of a stream that may reach the client before the guardrail has judged them. Default
   * 0.
   */
  stream_run_ahead_chars: integer({ min: 0, max: 1_000_000, default: 0 }),
  /** Whether a stream is held back until its text is complete. Default false. */
  streaming_end_of_stream_only: boolean({ default: false }),
  /** The same. Default false. */
  streaming_buffer_until_moderated: boolean({ default: false }),
};

/** `litellm_params` of an entry, without those of its type. */
export interface GuardrailParams extends OptionsOf<typeof ENTRY_PARAMS> {}
type EntryParams = Resolved<typeof ENTRY_PARAMS>;

const ENTRY = {
  /** Unique; requests, keys, teams and deployments select the guardrail by it. */
  guardrail_name: required(custom<string>('string', checkName)),
  /** The type, the modes and all settings of the guardrail. */
  litellm_params: required(custom<GuardrailParams & Fields, Fields>('object', checkObject)),
  /** Shown in `/guardrails/list`. */
  guardrail_info: custom<Fields>('object', checkObject),
};

/** An entry of `guardrails`, as in LiteLLM's configuration file. */
export interface GuardrailEntry extends OptionsOf<typeof ENTRY> {}

/** An entry whose own fields are checked; those of its type are in `typed`. */
export interface CheckedEntry {
  readonly path: string;
  readonly name: string;
  readonly info: Fields | undefined;
  readonly params: EntryParams;
  readonly typed: Fields;
}

/** LiteLLM's parameters that protect nothing, or whose absence protects more. */
const IGNORED = new Set('streaming_sampling_rate streaming_transform_mode only_scan_new_messages on_sensitive_data'.split(' '));
/** LiteLLM's values that cannot be kept. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  on_sensitive_data: (value) => (value === 'block' ? undefined : 'must be block: requests are not routed to another model'),
  scan_raw_request: (value) => (value === false ? undefined : 'must be false: each guardrail checks what the ones before it have left'),
  logging_only: (value) => (value === false ? undefined : 'must be set as mode: logging_only'),
};
const SECRET = /key|secret|token|password|credential|authorization|headers/i;

/**
 * Checks the fields that all entries have.
 * @throws InvalidConfigurationError naming path, value and rule.
 */
export function checkEntries(path: string, value: unknown, log: LogSink): readonly CheckedEntry[] {
  return checkArray(path, value, (at, entry) => checkEntry(at, entry, log), refuseParam);
}

function checkEntry(path: string, value: unknown, log: LogSink): CheckedEntry {
  const fields = resolveOptions(ENTRY, path, withoutNull(checkObject(path, value, refuseParam)), { refuse: refuseParam });
  const at = joinPath(path, 'litellm_params');
  const given = withoutNull(fields.litellm_params);
  const own: Record<string, unknown> = {};
  const typed: Record<string, unknown> = {};
  for (const [key, param] of Object.entries(given)) {
    const rule = UNSUPPORTED[key]?.(param);
    if (rule !== undefined) throw refuseParam(joinPath(at, key), param, rule);
    if (Object.hasOwn(ENTRY_PARAMS, key)) own[key] = param;
    else if (IGNORED.has(key)) log.warn(`Guardrails: ${joinPath(at, key)} has no effect`);
    else if (!Object.hasOwn(UNSUPPORTED, key)) typed[key] = param;
  }
  const params = resolveOptions(ENTRY_PARAMS, at, own, { refuse: refuseParam });
  if (params.scan_only_tool_results && params.skip_tool_message_in_guardrail)
    throw refuseParam(joinPath(at, 'scan_only_tool_results'), true, 'must not be set together with skip_tool_message_in_guardrail');
  return { path: at, name: fields.guardrail_name, info: fields.guardrail_info, params, typed };
}

/**
 * Rejects parameters that the type does not have: one that is misspelled would not protect.
 * @param known names of the type's parameters
 */
export function checkTypedParams({ path, typed, params }: CheckedEntry, known: readonly string[], type: string): void {
  for (const [key, value] of Object.entries(typed)) {
    if (known.includes(key)) continue;
    const meant = nearMiss(key, [...known, ...Object.keys(params)]);
    const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`;
    throw refuseParam(joinPath(path, key), unshown(value), `is not a parameter of ${type}${hint}`);
  }
}

/** Makes the error for a parameter. Values that may be secret are not shown. */
export const refuseParam: Refuse = (path, value, rule) =>
  refuseOption(path, SECRET.test(path.slice(path.lastIndexOf('.'))) || typeof value === 'object' ? unshown(value) : value, rule);

function withoutNull(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}

/** A header lists names with commas between them. */
function checkName(path: string, value: unknown, refuse: Refuse): string {
  const name = checkString(path, value, refuse);
  if (name.length <= 200 && /^[\x21-\x2b\x2d-\x7e](?:[\x20-\x2b\x2d-\x7e]*[\x21-\x2b\x2d-\x7e])?$/.test(name)) return name;
  throw refuse(path, value, 'must have at most 200 characters of ASCII, without commas');
}

function checkGuardrail(path: string, value: unknown, refuse: Refuse): string | Guardrail | GuardrailClass {
  if (typeof value === 'string' || typeof value === 'function') return value as string | GuardrailClass;
  if (isGuardrail(value)) return value;
  throw refuse(path, unshown(value), 'must be the id of a type, or a class or object with check() and abilities');
}

/** Whether it implements `Guardrail`. */
export function isGuardrail(value: unknown): value is Guardrail {
  const { check, abilities } = (value ?? {}) as Partial<Guardrail>;
  return typeof check === 'function' && Array.isArray(abilities?.modes) && typeof abilities.rewrites === 'boolean';
}

function checkModes(path: string, value: unknown, refuse: Refuse): ResolvedModes {
  if (typeof value === 'string' || Array.isArray(value)) return { byTag: new Map(), otherwise: modesOf(path, value, refuse) };
  const { tags, default: otherwise, ...unknown } = checkObject(path, value, refuse);
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw refuse(joinPath(path, name), unknown[name], 'is not a known option; the known ones are tags and default');
  const byTag = Object.entries(checkObject(joinPath(path, 'tags'), tags, refuse));
  return {
    byTag: new Map(byTag.map(([tag, mode]) => [tag, modesOf(joinPath(path, `tags.${tag}`), mode, refuse)])),
    otherwise: otherwise === undefined || otherwise === null ? [] : modesOf(joinPath(path, 'default'), otherwise, refuse),
  };
}

function modesOf(path: string, value: unknown, refuse: Refuse): readonly GuardrailMode[] {
  const list = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (list.length === 0) throw refuse(path, value, 'must have at least one mode');
  return list.map((mode) => {
    if (GUARDRAIL_MODES.includes(mode as GuardrailMode)) return mode as GuardrailMode;
    throw refuse(path, mode, `must be one of ${GUARDRAIL_MODES.join(', ')}`);
  });
}

/** All modes of an entry, of any tag. */
export function allModesOf({ byTag, otherwise }: ResolvedModes): readonly GuardrailMode[] {
  return [...new Set([...otherwise, ...[...byTag.values()].flat()])];
}
