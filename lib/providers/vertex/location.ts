import { trimmedText } from '../../common/objects.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { withoutTrailingSlashes } from '../trailing-slashes.js';
import { parseBase } from '../endpoint/address.js';
import { DeploymentFault } from '../endpoint/deployment-fault.js';

type Params = Readonly<Record<string, unknown>>;

/** Where the models of a Google Cloud project are. */
export interface VertexPlace {
  readonly url: URL;
  readonly project: string;
  readonly location: string;
  /** The address's path before the API version. */
  readonly root: string;
  /** The API version that the address names. */
  readonly version: string | undefined;
  /** The path of a model, where the address names one: only the method is appended. */
  readonly model: string | undefined;
  /** The variable that has the address. */
  readonly variable: string | undefined;
}

/** LiteLLM's. */
const DEFAULT_LOCATION = 'us-central1';
/** The location becomes part of a host's name. */
const LOCATION = /^[a-z][a-z0-9-]{0,62}$/;
/** Also `example.com:project`, and a project's number. */
const PROJECT = /^[a-z0-9][a-z0-9.:-]{0,127}$/i;
const PROJECT_VARIABLES = ['VERTEXAI_PROJECT', 'GOOGLE_CLOUD_PROJECT'];
const LOCATION_VARIABLES = ['VERTEXAI_LOCATION', 'VERTEX_LOCATION', 'GOOGLE_CLOUD_LOCATION'];
const BASE_VARIABLES = ['VERTEXAI_API_BASE', 'VERTEX_API_BASE'];
const VERSION = /\/(v1(?:beta1)?)(?=\/|$)/;
const NAMES_MODEL = /\/(?:models|endpoints)\/[^/:]+$/;

/** Sources of the location. */
export interface VertexFacts {
  readonly params: Params;
  readonly env: Environment;
  readonly deploymentId: string;
  /** `api_base`. */
  readonly base: URL | undefined;
  /** The project that the credentials are of. */
  readonly ownProject: string | undefined;
}

/** @throws DeploymentFault for a missing project, or a wrong project, location or address */
export function vertexPlace({ params, env, deploymentId, base, ownProject }: VertexFacts): VertexPlace {
  const project = given(params, ['vertex_project', 'vertex_ai_project']) ?? set(env, PROJECT_VARIABLES)?.value ?? ownProject;
  const location = given(params, ['vertex_location', 'vertex_ai_location']) ?? set(env, LOCATION_VARIABLES)?.value ?? DEFAULT_LOCATION;
  if (project === undefined) {
    const reason = `must be set, because neither the deployment nor ${PROJECT_VARIABLES.join(' nor ')} names a Google Cloud project`;
    throw new DeploymentFault(deploymentId, 'vertex_project', reason, `set it, or ${PROJECT_VARIABLES[0]} in the environment`);
  }
  if (!PROJECT.test(project)) throw new DeploymentFault(deploymentId, 'vertex_project', 'must be the id of a Google Cloud project', '');
  if (!LOCATION.test(location)) {
    const remedy = 'for example us-central1 or global';
    throw new DeploymentFault(deploymentId, 'vertex_location', 'must contain only lower-case letters, digits and hyphens', remedy);
  }
  const inEnv = base === undefined ? set(env, BASE_VARIABLES) : undefined;
  const own = base ?? (inEnv && parseBase(inEnv.value, deploymentId, `api_base (from ${inEnv.name})`));
  return { ...pathsOf(own ?? new URL(`https://${hostOf(location)}`)), project, location, variable: inEnv?.name };
}

/** The host of a region, of `us` and `eu`, or of all together. */
function hostOf(location: string): string {
  if (location === 'global') return 'aiplatform.googleapis.com';
  return location.includes('-') ? `${location}-aiplatform.googleapis.com` : `aiplatform.${location}.rep.googleapis.com`;
}

/** As in LiteLLM, missing parts of the address are appended. */
function pathsOf(url: URL): Pick<VertexPlace, 'url' | 'root' | 'version' | 'model'> {
  const path = withoutTrailingSlashes(url.pathname);
  if (NAMES_MODEL.test(path)) return { url, root: '', version: undefined, model: path };
  const start = path.indexOf('/v1/projects/') < 0 ? path.indexOf('/v1beta1/projects/') : path.indexOf('/v1/projects/');
  const isVersion = start >= 0 || /\/v1(?:beta1)?$/.test(path);
  const root = start >= 0 ? path.slice(0, start) : path.replace(/\/v1(?:beta1)?$/, '');
  return { url, root, version: isVersion ? VERSION.exec(path.slice(root.length))?.[1] : undefined, model: undefined };
}

function given(params: Params, names: readonly string[]): string | undefined {
  return names.map((name) => trimmedText(params[name])).find((value) => value !== undefined);
}

function set(env: Environment, names: readonly string[]): { readonly name: string; readonly value: string } | undefined {
  for (const name of names) {
    const value = trimmedText(env[name]);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}
