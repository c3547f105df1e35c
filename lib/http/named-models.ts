import type { Fields } from '../common/objects.js';
import { ModelNotAllowedError } from '../common/http-errors.js';
import { plainName } from './token-estimate/requested-output.js';
import type { PrincipalScope } from './principal.js';

const LETTERS = /^[a-z]+$/;

/**
 * Fields that name models, by their letters: `model`, OpenRouter's `models` and `allowed_models`,
 * `model` of hosted tools, `fallbackModel`, `modelId`; and names that replace one.
 */
const NAMES_MODELS = /^(?:[a-z]{0,40}models?(?:id|ids|name|names|arn|slug)?|engine|preset|(?:[a-z]{1,40})?fallbacks?)$/;
/** Names of the model in an object of a list of models. */
const NAME: ReadonlySet<string> = new Set(['id', 'name', 'slug']);
/** Content, schemas, and fields that no provider gets: a `model` in them is data. */
const DATA: ReadonlySet<string> = new Set(
  `messages input prompt contents system instructions systeminstruction documents query suffix prediction metadata litellmmetadata tags
  responseformat text outputconfig outputformat responseschema responsejsonschema guidedjson structuredoutputs generationconfig logitbias stop
  modelinfo userconfig secretfields proxyserverrequest description`.split(/\s+/),
);
/** Fields that describe a tool of the client. */
const OF_TOOL: ReadonlySet<string> = new Set(
  'function custom parameters inputschema inputexamples outputschema functiondeclarations format'.split(' '),
);
const CLIENTS_TYPES: ReadonlySet<unknown> = new Set([undefined, null, 'function', 'custom']);
/** No provider reads a model's name deeper in a request. */
const MOST_LEVELS = 32;

/**
 * Checks every model that a body names for a provider: any of them may answer.
 * @throws ModelNotAllowedError naming the field
 */
export function checkNamedModels(body: object, mayCall: (model: string) => boolean): void {
  check(body, { mayCall, isName: false, depth: 0 });
}

/** The path is built only for an error, because a body can have a million values. */
interface Place {
  readonly mayCall: (model: string) => boolean;
  readonly isName: boolean;
  readonly depth: number;
  readonly key?: string | number;
  readonly within?: Place;
}

function check(value: unknown, place: Place): void {
  const { mayCall, isName } = place;
  const depth = place.depth + 1;
  if (typeof value === 'string') {
    if (isName && !mayCall(value)) throw new ModelNotAllowedError(value, pathOf(place));
    return;
  }
  if (typeof value !== 'object' || value === null || depth > MOST_LEVELS + 1) return;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++)
      if (mayName(value[at], isName)) check(value[at], { mayCall, isName, depth, key: at, within: place });
    return;
  }
  const fields = value as Fields;
  for (const key in fields) {
    const inner = fields[key];
    // Most fields are numbers.
    if (!mayName(inner, true)) continue;
    const name = LETTERS.test(key) ? key : plainName(key).replace(/[^a-z]/g, '');
    const namesModel = NAMES_MODELS.test(name);
    if (!namesModel && isData(name, fields)) continue;
    // Fallback chains are lists, keyed by their model group.
    const isNameInside = namesModel || (isName && (Array.isArray(inner) || NAME.has(name)));
    if (mayName(inner, isNameInside)) check(inner, { mayCall, isName: isNameInside, depth, key, within: place });
  }
}

function mayName(value: unknown, isName: boolean): boolean {
  return typeof value === 'string' ? isName : typeof value === 'object' && value !== null;
}

function pathOf({ key, within }: Place): string {
  if (within === undefined || key === undefined) return '';
  const path = pathOf(within);
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

function isData(name: string, { type }: Fields): boolean {
  return DATA.has(name) || (OF_TOOL.has(name) && CLIENTS_TYPES.has(type));
}

/**
 * The limits of each model that a body names, fallbacks included: any of them may answer. A scope
 * that several of them have counts once.
 */
export function scopesOfModels(body: unknown, scopesOf: (model: string) => readonly PrincipalScope[]): readonly PrincipalScope[] {
  if (typeof body !== 'object' || body === null) return [];
  const found = new Map<string, PrincipalScope>();
  checkNamedModels(body, (model) => {
    for (const scope of scopesOf(model)) found.set(scope.key, scope);
    return true;
  });
  return [...found.values()];
}
