import { isObject, type Fields } from '../../common/objects.js';
import type { ToolRules } from './dialect.js';

/** Deeper parts of a schema stay as they are. */
const DEEPEST = 64;

/**
 * The tools of a request in a provider's dialect, the list itself if nothing is to be changed.
 * @param isMarked whether cache marks are kept
 */
export function dialectTools(tools: unknown, rules: ToolRules = {}, isMarked: boolean): unknown {
  if (!Array.isArray(tools)) return tools;
  const { functionsOnly, lacksStrict, schemaLacks } = rules;
  const isChanged = functionsOnly !== undefined || lacksStrict !== undefined || schemaLacks !== undefined;
  if (!isChanged && (isMarked || !tools.some((tool) => isObject(tool) && 'cache_control' in tool))) return tools;
  const kept: unknown[] = functionsOnly === true ? tools.filter((tool) => isObject(tool) && tool.type === 'function') : tools;
  const written = kept.map((tool) => {
    if (!isObject(tool)) return tool;
    const own = isMarked ? tool : without(tool, ['cache_control']);
    if (!isObject(own.function)) return own;
    const called = lacksStrict === true ? without(own.function, ['strict']) : own.function;
    const parameters = schemaLacks === undefined ? called.parameters : cleaned(called.parameters, schemaLacks, 0);
    const definition = parameters === called.parameters ? called : { ...called, parameters };
    return definition === own.function ? own : { ...own, function: definition };
  });
  return written.length === tools.length && written.every((tool, at) => tool === tools[at]) ? tools : written;
}

/** Returns the same schema if it has none of the keys. */
function cleaned(schema: unknown, keys: readonly string[], depth: number): unknown {
  if (depth > DEEPEST || typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) {
    const parts = schema.map((part) => cleaned(part, keys, depth + 1));
    return parts.every((part, at) => part === schema[at]) ? schema : parts;
  }
  const fields = Object.entries(schema);
  const kept = fields.filter(([key]) => !keys.includes(key)).map(([key, part]) => [key, cleaned(part, keys, depth + 1)] as const);
  const isSame = kept.length === fields.length && kept.every(([, part], at) => part === fields[at][1]);
  return isSame ? schema : Object.fromEntries(kept);
}

/** Returns the same object if it has none of the keys. */
export function without(fields: Fields, keys: readonly string[]): Fields {
  if (!keys.some((key) => Object.hasOwn(fields, key))) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.includes(key)));
}
