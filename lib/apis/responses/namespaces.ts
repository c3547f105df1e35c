import { fieldsOf, type Fields, listOf } from '../../common/objects.js';
import { chatToolName } from '../messages/tools.js';

/** A function's name in Responses; in a namespace it has two names. */
export interface CalledFunction {
  readonly name: string;
  readonly namespace?: string;
}

/** Chat has no namespaces, so both names are joined into one. */
export function nameInChat(name: string, namespace: unknown): string {
  return typeof namespace === 'string' && namespace !== '' ? chatToolName(`${namespace}__${name}`) : name;
}

/** The tools of a namespace; for any other tool, the tool itself. */
export function toolsOfNamespace(tool: Fields): readonly Fields[] {
  return tool.type === 'namespace' ? listOf(tool.tools).map((each) => ({ ...fieldsOf(each), namespace: tool.name })) : [tool];
}

/** The functions of namespaces, by their names in chat. */
export function namespacedFunctions(tools: unknown): ReadonlyMap<string, CalledFunction> {
  const functions = listOf(tools).flatMap((tool) => toolsOfNamespace(fieldsOf(tool)));
  return new Map(
    functions.flatMap(({ name, namespace }) =>
      typeof name === 'string' && typeof namespace === 'string' ? [[nameInChat(name, namespace), { name, namespace }] as const] : [],
    ),
  );
}
