import { checkArray, checkObject, checkString, joinPath, type Refuse } from '../common/options.js';

/** A model that a request can fall back to. */
export interface FallbackTarget {
  readonly model: string;
  /** Request parameters that change with the model. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/**
 * The error that a fallback is for: any, a prompt that is too long, or one that a content filter
 * rejects.
 */
export const FALLBACK_KINDS = ['general', 'context_window', 'content_policy'] as const;

/**
 * The reason for a fallback: any failure, a prompt that is too long, or a prompt rejected by a
 * content filter.
 */
export type FallbackKind = (typeof FALLBACK_KINDS)[number];

/**
 * A fallback in LiteLLM's format: the name of a model, or an object with `model` and other request
 * parameters.
 */
export type FallbackEntry = string | Readonly<{ model: string } & Record<string, unknown>>;

/**
 * Fallbacks in LiteLLM's formats: `[{ 'gpt-4': ['gpt-4o', …] }]`, one object with all of them, or a
 * plain list for every model.
 */
export type Fallbacks =
  readonly (FallbackEntry | Readonly<Record<string, readonly FallbackEntry[]>>)[] | Readonly<Record<string, readonly FallbackEntry[]>>;

/** Targets by the model that failed; `*` stands for any other. */
export type FallbackTable = ReadonlyMap<string, readonly FallbackTarget[]>;

const EVERY_MODEL = '*';
const NONE: readonly FallbackTarget[] = [];

/** @throws what `refuse` makes, naming the entry. */
export function readFallbacks(path: string, value: unknown, refuse: Refuse): FallbackTable {
  const table = new Map<string, FallbackTarget[]>();
  const add = (model: string, targets: readonly FallbackTarget[]): void => {
    const known = table.get(model);
    if (known === undefined) table.set(model, [...targets]);
    else for (const target of targets) known.push(target);
  };
  const readMap = (at: string, map: Readonly<Record<string, unknown>>): void => {
    for (const [model, targets] of Object.entries(map)) {
      add(
        model,
        checkArray(joinPath(at, model), targets, (where, target) => readTarget(where, target, refuse), refuse),
      );
    }
  };
  if (!Array.isArray(value)) {
    readMap(path, checkObject(path, value, refuse));
    return table;
  }
  for (const [index, entry] of (value as unknown[]).entries()) {
    const at = `${path}[${index}]`;
    const isTarget = typeof entry === 'string' || typeof (entry as { model?: unknown } | null)?.model === 'string';
    if (isTarget) add(EVERY_MODEL, [readTarget(at, entry, refuse)]);
    else readMap(at, checkObject(at, entry, refuse));
  }
  return table;
}

/**
 * Returns the targets of the first of these names that has any, with or without its provider; else
 * those of `*`.
 */
export function fallbacksIn(table: FallbackTable, names: readonly string[]): readonly FallbackTarget[] {
  for (const name of names) {
    const targets = table.get(name) ?? table.get(name.slice(name.indexOf('/') + 1));
    if (targets !== undefined) return targets;
  }
  return table.get(EVERY_MODEL) ?? NONE;
}

function readTarget(path: string, value: unknown, refuse: Refuse): FallbackTarget {
  if (typeof value === 'string') return { model: checkString(path, value, refuse) };
  const { model, ...overrides } = checkObject(path, value, refuse);
  const target = { model: checkString(joinPath(path, 'model'), model, refuse) };
  return Object.keys(overrides).length === 0 ? target : { ...target, overrides };
}
