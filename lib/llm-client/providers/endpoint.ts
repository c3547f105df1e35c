import { decoded } from '../../common/basic-authorization.js';
import { InvalidArgumentError } from '../../common/errors.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { DeploymentFault } from './deployment-fault.js';
import { checkEndpointParams } from './endpoint-params.js';
import { addressOf, parseBase, regionalBase, type ProviderAddress } from './address.js';
import { hasCredentials, headersOf, secretsIn, secretsInQuery, type HeaderParams } from './headers.js';
import { OPENAI } from './openai/openai.js';
import type { Protocol } from './protocol.js';
import { isResolved, regionIn, resolveModel } from './resolution.js';
import { baseVariables, isAtProvider, keyVariables, providerAt, REGION_VARIABLES, rowOf } from './provider-table.environment.js';

/** What of a deployment's `litellm_params` says where and how it is reached. */
export interface EndpointParams extends HeaderParams {
  readonly model: string;
  readonly custom_llm_provider?: unknown;
  readonly api_base?: unknown;
  readonly base_url?: unknown;
  readonly api_key?: unknown;
  readonly azure_ad_token?: unknown;
  readonly api_version?: unknown;
  readonly aws_region_name?: unknown;
  readonly tenant_id?: unknown;
  readonly client_id?: unknown;
  readonly client_secret?: unknown;
}

/** What cannot stand in a path, as Azure has models: `..` would lead to another resource, half a surrogate pair has no encoding. */
const NO_MODEL = /^\.{0,2}$|\p{Surrogate}/u;

/** A deployment's address, worked out once. */
export class ProviderEndpoint {
  readonly provider: string;
  /** What it speaks: OpenAI's protocol, until rows of the provider table name another. */
  readonly protocol: Protocol = OPENAI;
  readonly origin: string;
  /** Names and values by turns, as undici takes them. */
  readonly headers: readonly string[];
  /** Variables of the environment whose key is not sent, because the address is none of the provider's. */
  readonly keptBack: readonly string[];
  /** Whether the environment has the provider's key, or its address. */
  readonly isSetUp: boolean;
  private readonly address: ProviderAddress;
  private readonly secrets: readonly string[];

  /** @throws DeploymentFault where no provider is known by the model, its address is none, or a header is none; no secret is shown. */
  constructor(
    private readonly params: EndpointParams,
    private readonly deploymentId: string,
    env: Environment,
  ) {
    checkEndpointParams(params, deploymentId);
    const given = said(params.api_base) ?? said(params.base_url);
    const base = given === undefined ? undefined : parseBase(given, deploymentId);
    const resolved = resolveModel({ model: params.model, custom_llm_provider: params.custom_llm_provider, base });
    if (!isResolved(resolved)) throw new DeploymentFault(deploymentId, resolved.key, resolved.reason, resolved.mend);
    const { provider } = resolved;
    if (!params.model.includes('*') && !isModelName(resolved.model))
      throw new DeploymentFault(deploymentId, 'model', 'must name a model behind its provider', '');
    this.provider = provider;
    const around = new ProviderEnvironment(provider, env);
    const url = base ?? this.defaultBase(around);
    this.address = addressOf(provider, url, { deploymentId, version: text(params.api_version) ?? around.version() });
    this.origin = url.origin;
    const isForThis = base === undefined || isAtProvider(provider, base) || around.isItsAddress(base);
    const ownToken = isAzure(provider) ? text(params.azure_ad_token) : undefined;
    // Credentials of its own, of whatever kind, are meant to be used: no key of the environment goes in their place.
    const isKeyed = text(params.api_key) !== undefined || ownToken !== undefined || this.hasEntraCredentials;
    const key = text(params.api_key) ?? (isForThis && !isKeyed ? around.key() : undefined);
    const token = ownToken ?? (isForThis && !isKeyed ? around.token() : undefined);
    this.headers = headersOf(params, this.address, { key, token }, deploymentId);
    this.keptBack = isKeyed || isForThis || hasCredentials(this.headers, url) ? [] : around.setKeys();
    this.isSetUp = key !== undefined || token !== undefined || around.base() !== undefined;
    this.secrets = [...secretsIn(this.headers), ...secretsInQuery(url), decoded(url.password)].filter((secret) => secret.length > 3);
  }

  /** Why calls would go without the key that the provider asks for; `undefined` where they have one, or need none. */
  missingKey(): DeploymentFault | undefined {
    const { provider, deploymentId, address } = this;
    if (hasCredentials(this.headers, address.url)) return undefined;
    if (this.hasEntraCredentials) {
      const reason = 'authentication by tenant_id, client_id and client_secret is not supported yet';
      return new DeploymentFault(deploymentId, 'client_secret', reason, 'set api_key or azure_ad_token');
    }
    const isAtHome = isAtProvider(provider, address.url);
    const host = isAtHome ? provider : providerAt(address.url);
    const asks = isAzure(provider) || (host !== undefined && rowOf(host)?.keyOptional !== true);
    if (!asks) return undefined;
    if (!isAtHome && host !== undefined) {
      return new DeploymentFault(deploymentId, 'api_key', `no API key for ${address.url.host}`, 'set api_key in the deployment');
    }
    const variables = keyVariables(provider);
    const reason = `no API key: api_key is not set, ${variables.length === 1 ? 'nor is' : 'nor one of'} ${variables.join(', ')}`;
    const mend = `set ${variables[0]} in the environment, or api_key: os.environ/${variables[0]} in the deployment`;
    return new DeploymentFault(deploymentId, 'api_key', reason, mend);
  }

  /** Azure's log-in by an app: its token has to be asked for, which is not done here yet. */
  private get hasEntraCredentials(): boolean {
    const { tenant_id: tenant, client_id: client, client_secret: secret } = this.params;
    return isAzure(this.provider) && [tenant, client, secret].some((part) => text(part) !== undefined);
  }

  /**
   * The path of an operation (`/chat/completions`) for a model of this deployment.
   * @throws InvalidArgumentError where the client's part of the name (behind a `*`) makes it none.
   */
  pathOf(operation: string, model: string): string {
    if (!isModelName(model)) throw new InvalidArgumentError('model', model, 'must name a model behind its provider');
    const { base, query, namesDeployment } = this.address;
    if (!namesDeployment) return base + operation + query;
    return `${base}/openai/deployments/${encodeURIComponent(model)}${operation}${query}`;
  }

  /** `message` without the deployment's secrets: some providers repeat the key that they refuse. */
  redact(message: string): string {
    let clean = message;
    for (const secret of this.secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, '***');
    return clean;
  }

  private defaultBase(around: ProviderEnvironment): URL {
    const { provider, deploymentId, params } = this;
    const set = around.base();
    if (set !== undefined) return parseBase(set.value, deploymentId, `api_base (from ${set.name})`);
    const known =
      provider === 'bedrock_mantle'
        ? regionalBase(regionIn(params.model) ?? text(params.aws_region_name) ?? around.region(), deploymentId)
        : rowOf(provider)?.base;
    if (known !== undefined) return new URL(known);
    const reason = `must be given: ${provider} has no default address`;
    throw new DeploymentFault(deploymentId, 'api_base', reason, `set it, or ${baseVariables(provider).at(-1)} in the environment`);
  }
}

function isModelName(model: string): boolean {
  return !NO_MODEL.test(model);
}

function isAzure(provider: string): boolean {
  return provider === 'azure' || provider === 'azure_ai' || provider === 'azure_text';
}

/** What the environment says of a provider, as LiteLLM names it: its key, and the address that this key is for. */
class ProviderEnvironment {
  constructor(
    private readonly provider: string,
    private readonly env: Environment,
  ) {}

  key(): string | undefined {
    return keyVariables(this.provider)
      .map((name) => text(this.env[name]))
      .find((value) => value !== undefined);
  }

  /** Of Azure, in the place of a key. */
  token(): string | undefined {
    return isAzure(this.provider) ? text(this.env.AZURE_AD_TOKEN) : undefined;
  }

  /** Names of the variables that have a key. */
  setKeys(): readonly string[] {
    return keyVariables(this.provider).filter((name) => text(this.env[name]) !== undefined);
  }

  base(): { readonly name: string; readonly value: string } | undefined {
    for (const name of baseVariables(this.provider)) {
      const value = text(this.env[name]);
      if (value !== undefined) return { name, value };
    }
    return undefined;
  }

  /** Whether an address is the environment's own: `api_base: os.environ/OPENAI_API_BASE`. */
  isItsAddress({ origin }: URL): boolean {
    const set = this.base();
    return set !== undefined && URL.canParse(set.value) && new URL(set.value).origin === origin;
  }

  /** Of Azure. */
  version(): string | undefined {
    return isAzure(this.provider) ? text(this.env.AZURE_API_VERSION) : undefined;
  }

  region(): string {
    return REGION_VARIABLES.map((name) => text(this.env[name])).find((value) => value !== undefined) ?? 'us-east-1';
  }
}

/** An empty text is nothing: of a variable that is set so. */
function said(value: unknown): unknown {
  return value === null || value === '' ? undefined : value;
}

/** Without white space around it: what is read from a file often ends with its line. */
function text(value: unknown): string | undefined {
  const trimmed = typeof value === 'string' ? value.trim() : '';
  return trimmed === '' ? undefined : trimmed;
}
