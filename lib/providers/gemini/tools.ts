import { type Fields, fieldsOf, listOf, nonEmptyString } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { dropsParams, refused } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import { SchemaBudget } from '../schema-budget.js';
import type { MediaTarget } from './media.js';
import { googleSchema } from './schema.js';

/** Google's own tools, by the names that clients and LiteLLM give them. */
const GOOGLE_TOOLS: ReadonlyMap<string, string> = new Map(
  [
    'googleSearch',
    'googleSearchRetrieval',
    'enterpriseWebSearch',
    'urlContext',
    'codeExecution',
    'googleMaps',
    'computerUse',
    'fileSearch',
  ].flatMap((name) => [
    [name, name],
    [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name],
  ]),
);
/** OpenAI's types of hosted tools that Google has, too. */
const HOSTED: ReadonlyMap<string, string> = new Map([
  ['web_search', 'googleSearch'],
  ['web_search_preview', 'googleSearch'],
  ['computer_use', 'computerUse'],
]);
/** Tools that cannot be combined with functions. */
const SEARCHES = new Set(['googleSearch', 'googleSearchRetrieval', 'enterpriseWebSearch', 'urlContext']);

/**
 * Translates `tools` and `web_search_options`: functions into one tool, each of Google's own into
 * another.
 * @param toolConfig Google's, where the request has it
 */
export function toolsOf(chat: Fields, toolConfig: unknown, target: MediaTarget): readonly Fields[] {
  const functionDeclarations: Fields[] = [];
  const own = new Map<string, Fields>();
  const budget = new SchemaBudget();
  listOf(chat.tools).forEach((tool, at) => {
    const path = `tools[${at}]`;
    const fields = fieldsOf(tool);
    const [name, value] = googleTool(fields) ?? [];
    if (name !== undefined) own.set(name, fieldsOf(value));
    else if (fields.function !== undefined) functionDeclarations.push(declarationOf(fieldsOf(fields.function), path, target, budget));
    else if (!dropsParams(target.sent))
      throw refused(`${path}.type`, target.sent, `Gemini does not support tools of type ${String(fields.type)}`);
  });
  if (chat.web_search_options !== undefined) own.set('googleSearch', {});
  if (functionDeclarations.length === 0) return separate(own);
  const searches = [...own.keys()].filter((name) => SEARCHES.has(name));
  if (searches.length > 0 && fieldsOf(toolConfig).includeServerSideToolInvocations !== true) {
    if (!dropsParams(target.sent))
      throw refused('tools', target.sent, `Gemini does not support functions together with ${searches.join(', ')}`);
    searches.forEach((name) => own.delete(name));
  }
  return [{ functionDeclarations }, ...separate(own)];
}

function separate(tools: ReadonlyMap<string, Fields>): Fields[] {
  return [...tools].map(([name, value]) => ({ [name]: value }));
}

/** `{ googleSearch: {} }`, `{ type: 'web_search' }` */
function googleTool({ type, ...others }: Fields): readonly [string, unknown] | undefined {
  const hosted = HOSTED.get(String(type));
  if (hosted !== undefined) return [hosted, hosted === 'computerUse' ? others : {}];
  const [name = '', more] = Object.keys(others);
  const known = more === undefined ? GOOGLE_TOOLS.get(name) : undefined;
  return known === undefined ? undefined : [known, others[name]];
}

function declarationOf({ name, description, parameters }: Fields, path: string, { model }: MediaTarget, budget: SchemaBudget): Fields {
  if (nonEmptyString(name) === undefined) throw new InvalidArgumentError(`${path}.function.name`, name, 'must be the name of a function');
  const rules = { integerEnums: model.isThree, ordered: false };
  return {
    name,
    ...(nonEmptyString(description) !== undefined && { description }),
    ...(parameters !== undefined &&
      parameters !== null && { parameters: googleSchema(parameters, `${path}.function.parameters`, rules, budget) }),
  };
}

const MODES: ReadonlyMap<unknown, string> = new Map([
  ['auto', 'AUTO'],
  ['none', 'NONE'],
  ['required', 'ANY'],
]);

/** Translates `tool_choice`. @throws UnsupportedRequestError for one that Gemini has not */
export function toolConfigOf(choice: unknown, sent: SentRequest): Fields {
  if (choice === undefined) return {};
  const mode = MODES.get(choice);
  if (mode !== undefined) return { functionCallingConfig: { mode } };
  const allowedFunctionNames = namesIn(fieldsOf(choice));
  if (allowedFunctionNames.length > 0) return { functionCallingConfig: { mode: 'ANY', allowedFunctionNames } };
  if (dropsParams(sent)) return {};
  throw refused('tool_choice', sent, 'Gemini supports only auto, none, required, a function, or required allowed_tools');
}

function namesIn({ function: one, allowed_tools: allowed }: Fields): readonly unknown[] {
  const single = nonEmptyString(fieldsOf(one).name);
  if (single !== undefined) return [single];
  const { mode, tools } = fieldsOf(allowed);
  if (mode !== 'required') return [];
  return listOf(tools)
    .map((tool) => fieldsOf(fieldsOf(tool).function).name)
    .filter((name) => nonEmptyString(name) !== undefined);
}
