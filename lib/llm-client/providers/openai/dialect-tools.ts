import type { ToolRules } from './dialect.js';

type Fields = Readonly<Record<string, unknown>>;

/** Deeper parts of a schema stay as they are. */
const DEEPEST = 64;

/** The tools of a request in a provider's dialect. @param isMarked whether cache marks are kept */
export function dialectTools(tools: unknown, rules: ToolRules = {}, isMarked: boolean): unknown {
  if (!Array.isArray(tools)) return tools;
  const { functionsOnly, lacksStrict, schemaLacks } = rules;
  const isChanged = functionsOnly !== undefined || lacksStrict !== undefined || schemaLacks !== undefined;
  if (!isChanged && (isMarked || !tools.some((tool) => isFields(tool) && 'cache_control' in tool))) return tools;
  const kept: unknown[] = functionsOnly === true ? tools.filter((tool) => isFields(tool) && tool.type === 'function') : tools;
  return kept.map((tool) => {
    if (!isFields(tool)) return tool;
    const own = isMarked ? tool : without(tool, ['cache_control']);
    if (!isFields(own.function)) return own;
    const called = lacksStrict === true ? without(own.function, ['strict']) : own.function;
    const parameters = schemaLacks === undefined ? called.parameters : cleaned(called.parameters, schemaLacks, 0);
    return { ...own, function: parameters === called.parameters ? called : { ...called, parameters } };
  });
}

function cleaned(schema: unknown, keys: readonly string[], depth: number): unknown {
  if (depth > DEEPEST || typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map((part) => cleaned(part, keys, depth + 1));
  const kept = Object.entries(schema).filter(([key]) => !keys.includes(key));
  return Object.fromEntries(kept.map(([key, part]) => [key, cleaned(part, keys, depth + 1)]));
}

/** Returns the same object where it has none of the keys. */
export function without(fields: Fields, keys: readonly string[]): Fields {
  if (!keys.some((key) => Object.hasOwn(fields, key))) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.includes(key)));
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
