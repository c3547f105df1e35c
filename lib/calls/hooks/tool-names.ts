import { fieldsOf, listOf, type Fields } from '../../common/objects.js';
import type { InstalledHook } from './installed-hook.js';
import type { RunningCall } from './running-call.js';

/** A tool that an answer, or an event, calls. */
export interface ToolName {
  readonly name: string;
  /** Identifies the call within the answer. */
  readonly part: string;
}

/** Types of blocks and items that call a tool by its `name`. */
const CALLS = /_call$|tool_use$/;

/** Names of the tools that an answer calls, or that an event of a stream begins to call. */
export function toolNamesIn(fields: Fields): readonly ToolName[] {
  const found: ToolName[] = [];
  const add = (name: unknown, part: string): void => void (typeof name === 'string' && name !== '' && found.push({ name, part }));
  for (const [at, choice] of listOf(fields.choices).map(fieldsOf).entries()) {
    const index = typeof choice.index === 'number' ? choice.index : at;
    for (const each of [choice.message, choice.delta]) {
      const { tool_calls: calls, function_call: old } = fieldsOf(each);
      add(fieldsOf(old).name, `${index}:function_call`);
      for (const [position, call] of listOf(calls).map(fieldsOf).entries()) {
        const part = `${index}:tool_calls.${typeof call.index === 'number' ? call.index : position}`;
        add(fieldsOf(call.function).name ?? fieldsOf(call.custom).name, part);
      }
    }
  }
  const item = (value: unknown, part: string): void => {
    const { type, name } = fieldsOf(value);
    if (typeof type === 'string' && CALLS.test(type)) add(name ?? type, part);
  };
  item(fields.content_block, String(fields.index));
  item(fields.item, String(fields.output_index));
  for (const list of [fields.content, fields.output, fieldsOf(fields.response).output])
    for (const [at, each] of listOf(list).entries()) item(each, String(at));
  for (const [at, candidate] of listOf(fields.candidates).map(fieldsOf).entries())
    for (const part of listOf(fieldsOf(candidate.content).parts)) add(fieldsOf(fieldsOf(part).functionCall).name, String(at));
  return found;
}

/** @throws CallDeniedError, CallHookFailedError */
export function guardToolName(hook: InstalledHook, { view }: RunningCall, tool: ToolName): void | Promise<void> {
  return hook.guard<void>({ method: 'onToolName', run: (each) => each.onToolName?.(view, tool), read: () => {}, unguarded: undefined });
}
