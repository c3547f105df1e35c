import type { TextKind } from '../call-hook.js';
import { indexIn, ownFields, ownList, UnreadableText, type OwnFields, type TextPlace, type TextSlot } from './text-format.js';

type Path = readonly (string | number)[];

/** A text that the format's reader does not cover. */
interface OtherText {
  /** Whether no event continues it: a field name, or a text below one. */
  readonly isWhole: boolean;
  readonly path: Path;
  readonly text: string;
  readonly put: (text: string) => void;
}

/** Fields with identifiers, enumerations and encoded bytes, unless the value looks different. */
const NO_TEXTS = new Set(
  `id object model system_fingerprint service_tier provider role type name status code format mode phase action reason effort verbosity
  truncation quality size background output_format finish_reason native_finish_reason stop_reason call_id tool_call_id tool_use_id item_id
  response_id previous_response_id container_id file_id server_label tool_choice param prompt_cache_key prompt_cache_retention user
  safety_identifier obfuscation signature thought_signature thoughtSignature encrypted_content encrypted_index data b64_json result
  partial_image_b64 media_type mime_type request_id inference_geo speed`.split(/\s+/),
);
const NAME_OR_BYTES = /^[\w.:/|+=~-]*$/;
const BYTES_IN_URL = /^data:[\w.+/;=-]*;base64,[\w+/=-]*$/;
/** Fields of the request that a Responses answer repeats. */
const ECHOED = new Set(['instructions', 'input', 'tools', 'tool_choice', 'text', 'metadata', 'prompt', 'reasoning']);
const DEEPEST = 128;

/** The texts of the request that an answer may repeat: the client sent them. */
export function echoedTexts(body: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const texts = new Set<string>();
  const open: unknown[] = [...ECHOED].map((field) => body[field]);
  for (let at = 0; at < open.length; at++) {
    const value = open[at];
    if (typeof value === 'string') texts.add(value);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (!Array.isArray(value)) texts.add(key);
        open.push(inner);
      }
    }
  }
  return texts;
}

/** The texts of a whole answer that its format does not cover. @throws UnreadableText */
export function otherSlots(
  answer: OwnFields,
  claimed: readonly TextPlace[],
  echoed: ReadonlySet<string>,
): { readonly slots: readonly TextSlot[]; readonly isChanged: boolean } {
  const walk = new Walk(claimed, echoed);
  walk.into(answer);
  return { slots: walk.texts.map((found) => slotOf(found, partOf(found.path), true)), isChanged: walk.isChanged };
}

/** Finds the texts of a stream that its format does not cover, and joins those of deltas. */
export class OtherTexts {
  private readonly open = new Map<string, { readonly event: OwnFields; readonly path: Path; readonly scope: number }>();

  constructor(private readonly echoed: ReadonlySet<string>) {}

  /** @throws UnreadableText */
  read(
    event: OwnFields,
    claimed: readonly TextPlace[],
  ): { readonly slots: readonly TextSlot[]; readonly isChanged: boolean; readonly before: OwnFields[] } {
    const walk = new Walk(claimed, this.echoed);
    walk.into(event);
    const before: OwnFields[] = [];
    const isEnd = endsOf(event);
    const slots = walk.texts.map((found) => {
      const { path } = found;
      if (found.isWhole || !isOfDelta(path)) return slotOf(found, partOf(path), true);
      const scope = scopeOf(event, path);
      const part = `${scope}:${partOf(path)}`;
      const isLast = isEnd(scope);
      if (isLast) this.open.delete(part);
      else this.open.set(part, { event, path, scope });
      return slotOf(found, part, isLast, path[0] === 'choices' ? scope : 0);
    });
    const ended = [...this.open].filter(([, { scope }]) => isEnd(scope));
    for (const [part, { event: last, path }] of ended) {
      this.open.delete(part);
      const put = (text: string): void => void (text !== '' && before.push(eventWith(last, path, text)));
      slots.push(slotOf({ isWhole: false, path, text: '', put }, part, true));
    }
    return { slots, isChanged: walk.isChanged, before };
  }

  /** As `StreamTexts.rest`. */
  rest(): readonly { readonly event: OwnFields; readonly slot: TextSlot }[] {
    return [...this.open].map(([part, { event: last, path }]) => {
      const event = eventWith(last, path, '');
      const put = (text: string): void => void Object.assign(event, eventWith(last, path, text));
      return { event, slot: slotOf({ isWhole: false, path, text: '', put }, part, true) };
    });
  }
}

/** Position of a walk. */
interface Step {
  readonly path: Path;
  /** Whether the request has the same there. */
  readonly isEcho: boolean;
  readonly isWhole: boolean;
}

/** Walks a JSON value, texts before the names of their fields. */
class Walk {
  readonly texts: OtherText[] = [];
  /** Whether `logprobs` were removed: they spell a text that a hook may replace. */
  isChanged = false;
  private readonly claims = new Map<object, Set<string>>();

  constructor(
    claimed: readonly TextPlace[],
    private readonly echoed: ReadonlySet<string>,
  ) {
    for (const { holder, field } of claimed) {
      const fields = this.claims.get(holder);
      if (fields === undefined) this.claims.set(holder, new Set([field]));
      else fields.add(field);
    }
  }

  into(value: object, step: Step = START): void {
    const { path } = step;
    if (path.length > DEEPEST) throw new UnreadableText(`values nested deeper than ${DEEPEST} levels`);
    if (!Array.isArray(value)) return this.fields(value as OwnFields, step);
    for (const [at, inner] of (value as unknown[]).entries()) {
      const { index } = ownFields(inner);
      this.look(value, at, { ...step, path: [...path, typeof index === 'number' ? index : at] });
    }
  }

  private fields(fields: OwnFields, { path, isEcho, isWhole }: Step): void {
    const claimed = this.claims.get(fields);
    const isOfAnswer = path.length === 0 || (path.length === 1 && path[0] === 'response');
    for (const [name, inner] of Object.entries(fields)) {
      if (claimed?.has(name) === true) continue;
      const isEchoed = isEcho || (isOfAnswer && ECHOED.has(name));
      if (name === 'logprobs' && !isEchoed && typeof inner === 'object' && inner !== null) {
        this.isChanged ||= !Array.isArray(inner) || inner.length > 0;
        fields[name] = Array.isArray(inner) ? [] : null;
        continue;
      }
      const isText = !NAME_OR_BYTES.test(name) && !(isEchoed && this.echoed.has(name));
      const inside = [...path, name];
      this.look(fields, name, { path: inside, isEcho: isEchoed, isWhole: isWhole || isText });
      if (isText) this.texts.push({ isWhole: true, path: inside, text: name, put: (given) => rename(fields, name, given) });
    }
  }

  private look(holder: object, key: string | number, step: Step): void {
    const value = (holder as OwnFields)[key];
    if (typeof value === 'object' && value !== null) return this.into(value, step);
    const { path, isEcho, isWhole } = step;
    if (typeof value !== 'string' || isNoText(fieldIn(path), value) || (isEcho && this.echoed.has(value))) return;
    this.texts.push({ isWhole, path, text: value, put: (given) => void ((holder as OwnFields)[key] = given) });
  }
}

const START: Step = { path: [], isEcho: false, isWhole: false };

function rename(fields: OwnFields, name: string, given: string): void {
  if (given === name) return;
  const value = fields[name];
  delete fields[name];
  fields[given] = value;
}

function isNoText(field: string, value: string): boolean {
  return value === '' || (NO_TEXTS.has(field) && NAME_OR_BYTES.test(value)) || BYTES_IN_URL.test(value);
}

/** The field that contains it, directly or in a list. */
function fieldIn(path: Path): string {
  return String(path.findLast((step) => typeof step === 'string') ?? '');
}

/** Whether the events of a stream add to it. */
function isOfDelta(path: Path): boolean {
  return path[0] === 'choices' || path.includes('delta');
}

function partOf(path: Path): string {
  return path.join('.');
}

function slotOf({ path, text, put }: OtherText, part: string, isLast: boolean, choice = 0): TextSlot {
  const kind: TextKind = path.some((step) => typeof step === 'string' && /reason|think/.test(step)) ? 'reasoning' : 'other';
  return { part, kind, choice, text, isLast, put };
}

/** The choice, block or item that a path is in. */
function scopeOf(event: OwnFields, path: Path): number {
  if (path[0] === 'choices') return indexIn(path[1]);
  return indexIn(event.output_index ?? event.index);
}

/** Which of them an event completes. */
function endsOf(event: OwnFields): (scope: number) => boolean {
  const { choices, type } = event;
  if (Array.isArray(choices)) {
    const ended = new Set(
      ownList(choices).flatMap((choice, at) => (typeof choice.finish_reason === 'string' ? [choiceIn(choice, at)] : [])),
    );
    return (scope) => ended.has(scope);
  }
  if (typeof type !== 'string') return () => false;
  if (/^message_(?:delta|stop)$|^response\.(?:completed|failed|incomplete)$/.test(type)) return () => true;
  const index = indexIn(event.output_index ?? event.index);
  return type === 'content_block_stop' || type.endsWith('.done') ? (scope) => scope === index : () => false;
}

function choiceIn({ index }: OwnFields, at: number): number {
  return typeof index === 'number' ? index : at;
}

/** An event with one text and the fields that locate it. */
function eventWith(event: OwnFields, path: Path, text: string): OwnFields {
  return along(event, path, text) as OwnFields;
}

function along(value: unknown, [step, ...path]: Path, text: string): unknown {
  if (step === undefined) return text;
  if (Array.isArray(value)) {
    const entry = ownList(value).find(({ index }) => index === step) ?? (value as unknown[])[step as number];
    return [along(entry, path, text)];
  }
  return { ...withoutTexts(ownFields(value)), [step]: along(ownFields(value)[step], path, text) };
}

/** The fields of an object that no hook has to see: numbers, identifiers and the like. */
export function withoutTexts(fields: OwnFields): OwnFields {
  return Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => {
      if (!NAME_OR_BYTES.test(name)) return false;
      return typeof value === 'string' ? NO_TEXTS.has(name) && NAME_OR_BYTES.test(value) : value === null || typeof value !== 'object';
    }),
  );
}
