import { ModelNotAllowedError } from '../common/http-errors.js';
import { plainName } from './token-estimate/asked-output.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Fields that name models, by their letters: `model`, OpenRouter's `models` and `allowed_models`,
 * `model` of hosted tools, `fallbackModel`, `modelId`; and what stands for a model.
 */
const NAMES_MODELS = /^(?:[a-z]{0,40}models?(?:id|ids|name|names|arn|slug)?|engine|preset|(?:[a-z]{1,40})?fallbacks?)$/;
/** Beside a list of models: how an object of it may name one. */
const NAME: ReadonlySet<string> = new Set(['id', 'name', 'slug']);
/** Content, schemas, and what no provider gets: a `model` in them is data. */
const DATA: ReadonlySet<string> = new Set(
  `messages input prompt contents system instructions systeminstruction documents query suffix prediction metadata litellmmetadata tags
  responseformat text outputconfig outputformat responseschema responsejsonschema generationconfig logitbias stop
  modelinfo userconfig secretfields proxyserverrequest description`.split(/\s+/),
);
/** What a tool of the client describes itself with. */
const OF_TOOL: ReadonlySet<string> = new Set(['function', 'custom', 'parameters', 'inputschema', 'functiondeclarations', 'format']);
const CLIENTS_TYPES: ReadonlySet<unknown> = new Set([undefined, null, 'function', 'custom']);
/** No provider reads a model's name so deep in a request. */
const MOST_LEVELS = 32;

/**
 * Checks every model that a body names for a provider: any of them may answer.
 * @throws ModelNotAllowedError naming the field
 */
export function checkNamedModels(body: object, mayCall: (model: string) => boolean): void {
  check(body, { mayCall, path: '', isName: false, depth: 0 });
}

interface Place {
  readonly mayCall: (model: string) => boolean;
  readonly path: string;
  readonly isName: boolean;
  readonly depth: number;
}

function check(value: unknown, place: Place): void {
  const { mayCall, path, isName, depth } = place;
  if (typeof value === 'string') {
    if (isName && !mayCall(value)) throw new ModelNotAllowedError(value, path);
    return;
  }
  if (typeof value !== 'object' || value === null || depth > MOST_LEVELS) return;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) check(value[at], { mayCall, path: `${path}[${at}]`, isName, depth: depth + 1 });
    return;
  }
  const fields = value as Fields;
  for (const key in fields) {
    const inner = fields[key];
    // Most fields are figures.
    if (typeof inner !== 'string' && (typeof inner !== 'object' || inner === null)) continue;
    const name = plainName(key).replace(/[^a-z]/g, '');
    const namesModel = NAMES_MODELS.test(name);
    if (!namesModel && isData(name, fields)) continue;
    // The chains of fallbacks are lists by the group before them.
    const isNameInside = namesModel || (isName && (Array.isArray(inner) || NAME.has(name)));
    check(inner, { mayCall, path: path === '' ? key : `${path}.${key}`, isName: isNameInside, depth: depth + 1 });
  }
}

function isData(name: string, { type }: Fields): boolean {
  return DATA.has(name) || (OF_TOOL.has(name) && CLIENTS_TYPES.has(type));
}
