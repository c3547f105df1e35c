import { InvalidArgumentError } from '../../common/errors.js';
import { ownFields, trimmedText } from '../../common/objects.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { RequestAuthorization } from './authorization.js';
import { AwsAuthorization, hasAwsCredentials } from '../bedrock/credentials.js';
import { bedrockBase, bedrockRegion } from '../bedrock/region.js';
import { azureAuthorization, isLocalOidc, namesAzureIdentity } from './azure-credentials.environment.js';
import { databricksAuthorization, hasDatabricksClient } from './databricks-credentials.environment.js';
import { addressOf, parseBase, regionalBase, type ProviderAddress } from './address.js';
import { DeploymentFault } from './deployment-fault.js';
import { hasCredentials, headersOf, secretsIn, secretsInLogin, secretsInQuery, type HeaderParams } from './headers.js';
import { GUARDED } from '../../connection-pool/pool/endpoint.js';
import { OPENAI } from '../openai/openai.js';
import type { Protocol } from '../protocol.js';
import { SecretMask } from '../secret-mask.js';
import { protocolOf } from '../protocols.js';
import { baseVariables, isAtProvider, keyVariables, providerAt, REGION_VARIABLES, rowOf } from './provider-table.environment.js';
import { isResolved, regionIn, resolveModel } from './resolution.js';
import { isVertex, vertexDeployment } from '../vertex/deployment.js';

/** The part of `litellm_params` that says where and how a deployment is reached. */
export interface EndpointParams extends HeaderParams {
  readonly model: string;
  readonly custom_llm_provider?: unknown;
  readonly api_base?: unknown;
  readonly base_url?: unknown;
  readonly api_key?: unknown;
  readonly azure_ad_token?: unknown;
  readonly api_version?: unknown;
  readonly aws_region_name?: unknown;
  readonly aws_bedrock_runtime_endpoint?: unknown;
  readonly tenant_id?: unknown;
  readonly client_id?: unknown;
  readonly client_secret?: unknown;
}

/** Parts that a path cannot contain: `..` between slashes, or an unpaired surrogate. */
const NO_MODEL = /^$|(?:^|[\\/])\.{1,2}(?:$|[\\/])|\p{Surrogate}/u;

/** A deployment's address, headers and key, resolved once. */
export class ProviderEndpoint {
  readonly provider: string;
  readonly protocol: Protocol;
  /** Credentials other than those in `headers`. */
  readonly authorization: RequestAuthorization | undefined;
  /** The connection pool's name of the address: for a guarded deployment it ends in `#guarded`. */
  origin: string;
  /** Names and values in turns, as undici takes them. */
  readonly headers: readonly string[];
  /** Environment variables whose key is not sent, because the address is not the provider's. */
  readonly keptBack: readonly string[];
  /** Whether the address is the provider's own. */
  readonly isAtHome: boolean;
  /** Whether the environment has the provider's key or address. */
  readonly isSetUp: boolean;
  /** Whether its requests have credentials, of any source. */
  readonly isAuthorized: boolean;
  private readonly address: ProviderAddress;
  private readonly params: EndpointParams & Readonly<Record<string, unknown>>;
  private readonly secrets: readonly string[];
  private masking: { readonly renewed: readonly string[]; readonly mask: SecretMask } | undefined = undefined;
  private checkedModel: string | undefined = undefined;
  /** The last path: most deployments have one model and one operation. */
  private lastPath: { readonly operation: string; readonly model: string | undefined; readonly path: string } | undefined = undefined;

  /**
   * @throws DeploymentFault for an unknown provider, a wrong address or header. Shows no secret.
   */
  constructor(
    given: EndpointParams,
    private readonly deploymentId: string,
    env: Environment,
  ) {
    const params = (this.params = ownFields(given));
    checkEndpointParams(params, deploymentId);
    const address = said(params.api_base) ?? said(params.base_url);
    let base = address === undefined ? undefined : parseBase(address, deploymentId);
    const { model, custom_llm_provider } = params;
    const resolved = resolveModel({ model, custom_llm_provider, base, isInProject: namesProject(params) });
    if (!isResolved(resolved)) throw new DeploymentFault(deploymentId, resolved.key, resolved.reason, resolved.remedy);
    const { provider } = resolved;
    if (!params.model.includes('*') && NO_MODEL.test(resolved.model))
      throw new DeploymentFault(deploymentId, 'model', 'must have the form provider/model', '');
    this.provider = provider;
    const protocol = protocolOf(provider, resolved.model);
    const around = new ProviderEnvironment(provider, env);
    const isBedrock = provider === 'bedrock';
    if (isBedrock) base ??= ownEndpoint(params, deploymentId);
    const vertex = isVertex(provider) ? vertexDeployment({ model: resolved.model, params, env, deploymentId, base }) : undefined;
    const url = vertex?.address.url ?? base ?? this.defaultBase(around);
    const version = trimmedText(params.api_version) ?? around.version();
    this.address = vertex?.address ?? addressOf(provider, url, { deploymentId, version, protocol: protocol.name });
    this.protocol = vertex?.protocol ?? (this.address.isOpenAICompatible === true ? OPENAI : protocol);
    this.origin = url.origin;
    this.isAtHome = isAtProvider(provider, url);
    const isForThis = base === undefined || isAtProvider(provider, base) || around.isItsAddress(base);
    const ownToken = isAzure(provider) && !isLocalOidc(params.azure_ad_token) ? trimmedText(params.azure_ad_token) : undefined;
    // If a deployment has its own credentials of any kind, the environment's key is not used.
    const hasOwnKeys = isBedrock && hasAwsCredentials(params);
    const isKeyed = trimmedText(params.api_key) !== undefined || ownToken !== undefined || this.hasEntraCredentials || hasOwnKeys;
    const isClient = provider === 'databricks' && isForThis && hasDatabricksClient(env);
    const key = trimmedText(params.api_key) ?? (isForThis && !isKeyed && !isClient ? around.key() : undefined);
    const token = ownToken ?? (isForThis && !isKeyed ? around.token() : undefined);
    this.headers = headersOf(params, this.address, { key, token }, deploymentId);
    const isAuthorized = hasCredentials(this.headers, url);
    this.authorization = isAuthorized ? undefined : vertex === undefined ? this.authorizationBy(env, isForThis) : vertex.authorization;
    this.isAuthorized = isAuthorized || this.authorization !== undefined;
    this.keptBack = isKeyed || isForThis || isAuthorized ? [] : (vertex?.keptBack ?? around.setKeys());
    const isFetched = this.authorization !== undefined && (!isBedrock || trimmedText(env.AWS_ACCESS_KEY_ID) !== undefined);
    this.isSetUp = key !== undefined || token !== undefined || (vertex?.isSetUp ?? isFetched) || around.base() !== undefined;
    this.secrets = [...secretsIn(this.headers), ...secretsInQuery(url), ...secretsInLogin(url)];
  }

  /**
   * Connects only to public addresses and those that the app allows. A transport of the app's own
   * checks addresses itself.
   */
  guard(): void {
    if (this.protocol.transport === undefined) this.origin = new URL(this.origin).origin + GUARDED;
  }

  /** Returns the missing setting if the provider requires a key and none is set. */
  missingKey(): DeploymentFault | undefined {
    const { provider, deploymentId, address } = this;
    if (hasCredentials(this.headers, address.url)) return undefined;
    if (this.authorization !== undefined) return this.authorization.missing?.();
    const isAtHome = isAtProvider(provider, address.url);
    const host = isAtHome ? provider : providerAt(address.url);
    const asks = isAzure(provider) || (host !== undefined && rowOf(host)?.keyOptional !== true);
    if (!asks) return undefined;
    if (!isAtHome && host !== undefined) {
      return new DeploymentFault(deploymentId, 'api_key', `no API key for ${address.url.host}`, 'set api_key in the deployment');
    }
    const variables = credentialVariables(provider);
    const reason = `no API key: api_key is not set, ${variables.length === 1 ? 'nor is' : 'nor one of'} ${variables.join(', ')}`;
    const remedy = `set ${variables[0]} in the environment, or api_key: os.environ/${variables[0]} in the deployment`;
    return new DeploymentFault(deploymentId, 'api_key', reason, remedy);
  }

  /** An identity of the deployment's own at Azure. */
  private get hasEntraCredentials(): boolean {
    const { params, provider } = this;
    return isAzure(provider) && (namesAzureIdentity(params) || isLocalOidc(params.azure_ad_token));
  }

  /** @param takesEnvironment whether credentials of the environment may go to this address */
  private authorizationBy(env: Environment, takesEnvironment: boolean): RequestAuthorization | undefined {
    const { provider, deploymentId, params } = this;
    const access = { params, env, deploymentId, takesEnvironment };
    if (isAzure(provider)) return azureAuthorization(access);
    if (provider === 'bedrock' && (takesEnvironment || hasAwsCredentials(access.params))) {
      return new AwsAuthorization({ ...access, region: bedrockRegion(access.params, env, deploymentId) });
    }
    return provider === 'databricks' && takesEnvironment ? databricksAuthorization(this.origin, env, deploymentId) : undefined;
  }

  /**
   * Before a protocol writes the model into a path.
   * @throws InvalidArgumentError if the client's part of the name (for a `*`) is not a model.
   */
  checkModel(model: string): void {
    if (model === this.checkedModel) return;
    if (NO_MODEL.test(model)) throw new InvalidArgumentError('model', model, 'must have the form provider/model');
    this.checkedModel = model;
  }

  /**
   * The path of an operation (`/chat/completions`, also with a query) for a model that was checked;
   * without one, of the provider's account.
   */
  pathOf(operation: string, model: string | undefined): string {
    const { lastPath } = this;
    if (lastPath !== undefined && lastPath.operation === operation && lastPath.model === model) return lastPath.path;
    const path = this.writtenPath(operation, model);
    this.lastPath = { operation, model, path };
    return path;
  }

  private writtenPath(operation: string, model: string | undefined): string {
    const { base, query, namesDeployment, v1 } = this.address;
    if (operation === '/responses' && v1 !== undefined) return v1 + operation;
    const deployment = model === undefined ? '/openai' : `/openai/deployments/${encodeURIComponent(model)}`;
    const own = namesDeployment ? deployment + operation : operation;
    return base + own + (query !== '' && own.includes('?') ? `&${query.slice(1)}` : query);
  }

  /** Masks the deployment's secrets, tokens that were fetched for it included. */
  get mask(): SecretMask {
    const { masking, authorization } = this;
    if (masking !== undefined && authorization === undefined) return masking.mask;
    const renewed = authorization?.secrets ?? NONE;
    if (masking !== undefined && isSame(masking.renewed, renewed)) return masking.mask;
    const mask = new SecretMask([...this.secrets, ...renewed]);
    this.masking = { renewed, mask };
    return mask;
  }

  private defaultBase(around: ProviderEnvironment): URL {
    const { provider, deploymentId, params } = this;
    const set = around.base();
    if (set !== undefined) return parseBase(set.value, deploymentId, `api_base (from ${set.name})`);
    if (provider === 'bedrock') return new URL(bedrockBase(bedrockRegion(params, around.env, deploymentId)));
    const known =
      provider === 'bedrock_mantle'
        ? regionalBase(regionIn(params.model) ?? trimmedText(params.aws_region_name) ?? around.region(), deploymentId)
        : rowOf(provider)?.base;
    if (known !== undefined) return new URL(known);
    const reason = `must be set, because ${provider} has no default address`;
    throw new DeploymentFault(deploymentId, 'api_base', reason, `set it, or ${baseVariables(provider).at(-1)} in the environment`);
  }
}

const NONE: readonly string[] = [];

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each, at) => each === others[at]);
}

/** Bedrock's own words for `api_base`. */
function ownEndpoint({ aws_bedrock_runtime_endpoint: endpoint }: EndpointParams, deploymentId: string): URL | undefined {
  const given = said(endpoint);
  return given === undefined ? undefined : parseBase(given, deploymentId, 'aws_bedrock_runtime_endpoint');
}

/** A bare `gemini-…` is Vertex AI's then. */
function namesProject({ vertex_project: project, vertex_ai_project: other }: Readonly<Record<string, unknown>>): boolean {
  return trimmedText(project) !== undefined || trimmedText(other) !== undefined;
}

function isAzure(provider: string): boolean {
  return provider === 'azure' || provider === 'azure_ai' || provider === 'azure_text';
}

function credentialVariables(provider: string): readonly string[] {
  return [...keyVariables(provider), ...(rowOf(provider)?.tokens ?? [])];
}

/** The environment variables of a provider, under LiteLLM's names. */
class ProviderEnvironment {
  constructor(
    private readonly provider: string,
    readonly env: Environment,
  ) {}

  key(): string | undefined {
    return keyVariables(this.provider)
      .map((name) => trimmedText(this.env[name]))
      .find((value) => value !== undefined);
  }

  /** A token instead of a key. */
  token(): string | undefined {
    const names = isAzure(this.provider) ? ['AZURE_AD_TOKEN'] : (rowOf(this.provider)?.tokens ?? []);
    return names.map((name) => trimmedText(this.env[name])).find((value) => value !== undefined);
  }

  /** Names of the variables that hold a key. */
  setKeys(): readonly string[] {
    return credentialVariables(this.provider).filter((name) => trimmedText(this.env[name]) !== undefined);
  }

  base(): { readonly name: string; readonly value: string } | undefined {
    for (const name of baseVariables(this.provider)) {
      const value = trimmedText(this.env[name]);
      if (value !== undefined) return { name, value };
    }
    return undefined;
  }

  /** Whether an address is the one in the environment: `api_base: os.environ/OPENAI_API_BASE`. */
  isItsAddress({ origin }: URL): boolean {
    const set = this.base();
    return set !== undefined && URL.canParse(set.value) && new URL(set.value).origin === origin;
  }

  /** Azure's API version. */
  version(): string | undefined {
    return isAzure(this.provider) ? trimmedText(this.env.AZURE_API_VERSION) : undefined;
  }

  region(): string {
    return REGION_VARIABLES.map((name) => trimmedText(this.env[name])).find((value) => value !== undefined) ?? 'us-east-1';
  }
}

/** An empty text counts as absent: it comes from an empty variable. */
function said(value: unknown): unknown {
  return value === null || value === '' ? undefined : value;
}

/** Parameters that decide which key is sent where. A typo must not send the environment's key. */
const TEXTS = [
  'api_key',
  'azure_ad_token',
  'api_version',
  'custom_llm_provider',
  'organization',
  'aws_region_name',
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
  'aws_profile_name',
  'aws_role_name',
  'vertex_project',
  'vertex_location',
] as const;
/** Parts of an identity, whose readers ignore a value that is not text. */
const IDENTITY_TEXTS = [
  ...['tenant_id', 'client_id', 'client_secret', 'azure_scope', 'model_id', 'vertex_ai_project', 'vertex_ai_location'],
  ...['aws_session_name', 'aws_external_id', 'aws_web_identity_token', 'aws_sts_endpoint'],
];
const ADDRESSES = ['api_base', 'base_url'] as const;
/** Their names without case and separators: recognizes `apiKey`, `API-KEY`, `api_url`. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ...[...TEXTS, ...ADDRESSES].map((key) => [bare(key), key] as const),
  ...['api_url', 'api_base_url', 'api_endpoint'].map((key) => [bare(key), 'api_base'] as const),
]);
const QUOTE = 'put a number in quotes';
/** LiteLLM fetches such values from services; Azure's are also read on this machine. */
const OIDC = /^\s*oidc\//;

/** @throws DeploymentFault naming a wrong parameter of those that decide where the key is sent. */
export function checkEndpointParams(params: object, deploymentId: string): void {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== '');
  for (const [key] of given) {
    const meant = MEANT.get(bare(key));
    if (meant !== undefined && meant !== key && !ADDRESSES.some((address) => address === key)) {
      throw new DeploymentFault(deploymentId, key, `${key} is not a LiteLLM parameter`, `write ${meant}`);
    }
  }
  const values = new Map<string, unknown>(given);
  for (const key of TEXTS) {
    const value = values.get(key);
    if (value === undefined) continue;
    if (typeof value !== 'string') throw new DeploymentFault(deploymentId, key, 'must be a string', QUOTE);
    if (OIDC.test(value) && !(key === 'azure_ad_token' && isLocalOidc(value)))
      throw new DeploymentFault(
        deploymentId,
        key,
        `${key} from this OIDC service is not supported`,
        'set api_key, or azure_ad_token: oidc/env/<variable> or oidc/file/<path>',
      );
  }
  for (const key of IDENTITY_TEXTS) {
    if (typeof (values.get(key) ?? '') !== 'string') throw new DeploymentFault(deploymentId, key, 'must be a string', QUOTE);
  }
  if (values.has('litellm_credential_name')) {
    const key = 'litellm_credential_name';
    throw new DeploymentFault(
      deploymentId,
      key,
      'must be the name of an entry in credential_list',
      'add the credential, or set api_key and api_base',
    );
  }
}

function bare(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}
