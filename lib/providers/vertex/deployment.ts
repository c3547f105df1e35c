import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { RequestAuthorization } from '../endpoint/authorization.js';
import { DeploymentFault } from '../endpoint/deployment-fault.js';
import type { Protocol } from '../protocol.js';
import type { ProviderAddress } from '../endpoint/provider-address.js';
import { GoogleAuthorization, googleCredentials } from './credentials.js';
import { vertexModel } from './models.js';
import { vertexPlace } from './location.js';
import type * as Vertex from './vertex.js';

/** How a deployment on Vertex AI is reached. */
export interface VertexDeployment {
  readonly address: ProviderAddress;
  readonly protocol: Protocol;
  /** `undefined`: the credentials of the environment are not for this address. */
  readonly authorization: RequestAuthorization | undefined;
  /** The variables of credentials that are not sent there. */
  readonly keptBack: readonly string[];
  /** Whether the environment has credentials for it. */
  readonly isSetUp: boolean;
}

const CREDENTIALS = ['VERTEXAI_CREDENTIALS', 'GOOGLE_APPLICATION_CREDENTIALS'];

export function isVertex(provider: string): boolean {
  return provider === 'vertex_ai' || provider === 'vertex_ai_beta';
}

/** Parameters read from a deployment. */
export interface VertexDeploymentFacts {
  /** Without its prefix; may be a pattern. */
  readonly model: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly env: Environment;
  readonly deploymentId: string;
  /** `api_base`. */
  readonly base: URL | undefined;
}

/** @throws DeploymentFault for a missing project, a wrong location, credentials or model */
export function vertexDeployment(facts: VertexDeploymentFacts): VertexDeployment {
  const { model, params, env, deploymentId, base } = facts;
  const known = vertexModel(model);
  if (known.api === 'unsupported')
    throw new DeploymentFault(deploymentId, 'model', `the protocol of ${model} on Vertex AI is not supported`, known.remedy);
  const credentials = googleCredentials(params, env, deploymentId);
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- it brings Claude's and Gemini's protocols
  const { vertexProtocol } = require('./vertex.js') as typeof Vertex;
  const place = vertexPlace({ ...facts, ownProject: credentials.project });
  const { url, variable } = place;
  // The address and the credentials may be combined if both come from the environment.
  const isOwn = base === undefined && variable !== undefined && credentials.from === 'environment';
  const isForThis = isOwn || GoogleAuthorization.isFor(credentials, url);
  const isSet = CREDENTIALS.filter((name) => env[name] !== undefined && env[name] !== '');
  return {
    address: { url, base: '', query: url.search, namesDeployment: false, keyHeader: 'x-goog-api-key' },
    protocol: vertexProtocol(place),
    authorization: isForThis ? new GoogleAuthorization(credentials, deploymentId) : undefined,
    keptBack: isForThis ? [] : isSet,
    isSetUp: isForThis && isSet.length > 0,
  };
}
