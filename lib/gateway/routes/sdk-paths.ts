import { GOOGLE_ROUTES } from './google.js';
import { MODEL_CALLS } from './model-calls.js';
import { MODEL_LISTS } from './models.js';
import { MODEL_PATHS, usePathModel } from './path-model.js';
import { rerankAsCohere } from './rerank.js';
import type { GatewayRoute } from './route.js';

/** Operations of Azure's deployments: the OpenAI SDK puts the model into their paths. */
const OF_DEPLOYMENTS: ReadonlySet<string> = new Set(
  `chat completions embeddings images imageEdits imageVariations speech transcriptions translations createBatch`.split(' '),
);
/** Operations of OpenAI's engines, as older clients name models. */
const OF_ENGINES: ReadonlySet<string> = new Set(['chat', 'completions', 'embeddings']);
const OF_ANTHROPIC = /^messages(?:\/|$)/;
const [ONE_PART] = MODEL_PATHS;

const capitalized = (name: string): string => name[0].toUpperCase() + name.slice(1);

/** A route at other paths, at the root. Keys that may request the route may request these, too. */
function atRoot(route: GatewayRoute, name: string, [path, ...morePaths]: readonly string[]): GatewayRoute {
  return {
    ...route,
    name: name + capitalized(route.name),
    path,
    morePaths,
    atRoot: 'only',
    isOfSdk: true,
    isHidden: morePaths.length > 0,
    prepare: usePathModel,
    allowedAs: () => [route.path, path, ...morePaths],
  };
}

/** The paths of a route below a prefix, those of split ids included. */
function below(prefix: string, { path, morePaths = [] }: GatewayRoute): readonly string[] {
  return [path, ...morePaths].map((each) => `${prefix}/${each}`);
}

function azurePaths(route: GatewayRoute): readonly GatewayRoute[] {
  const { name, path } = route;
  const deployments = OF_DEPLOYMENTS.has(name) ? MODEL_PATHS.map((model) => `openai/deployments/${model}/${path}`) : [];
  const engines = OF_ENGINES.has(name) ? MODEL_PATHS.map((model) => `engines/${model}/${path}`) : [];
  const others = [...below('openai/v1', route), ...below('openai', route), ...deployments.slice(1), ...engines];
  const documented = deployments.length > 0 ? [atRoot(route, 'azure', [`openai/deployments/${ONE_PART}/${path}`])] : [];
  return [...documented, atRoot(route, 'openai', others)];
}

/** Anthropic's paths with its name in front, as some of its clients write them. */
function anthropicPaths(route: GatewayRoute): readonly GatewayRoute[] {
  if (!OF_ANTHROPIC.test(route.path)) return [];
  return [{ ...atRoot(route, 'anthropic', below('anthropic/v1', route)), isHidden: true }];
}

const ALL = [...MODEL_CALLS, ...MODEL_LISTS];

/** The paths that SDKs of other providers use, with the answers of the gateway's own routes. */
export const SDK_ROUTES: readonly GatewayRoute[] = [
  ...ALL.filter(({ path }) => !OF_ANTHROPIC.test(path)).flatMap(azurePaths),
  ...ALL.flatMap(anthropicPaths),
  ...rerankAsCohere(MODEL_CALLS),
  ...GOOGLE_ROUTES,
];
