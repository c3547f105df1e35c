import { DeploymentFault } from './deployment-fault.js';

/** Texts that decide where a deployment's key goes, and which one: another value in their place would be dropped, and a key of the environment be sent instead. */
const TEXTS = ['api_key', 'azure_ad_token', 'api_version', 'custom_llm_provider', 'organization', 'aws_region_name'] as const;
const ADDRESSES = ['api_base', 'base_url'] as const;
/** The right names of these, by what `apiKey`, `API-KEY` and `api_url` have in common with them. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ...[...TEXTS, ...ADDRESSES].map((key) => [bare(key), key] as const),
  ...['api_url', 'api_base_url', 'api_endpoint'].map((key) => [bare(key), 'api_base'] as const),
]);
/** LiteLLM asks these providers for a token, which is then the key. */
const OIDC = /^\s*oidc\//;

/**
 * Checks the parameters that say where a deployment's key goes.
 * @throws DeploymentFault naming the parameter; no value is shown.
 */
export function checkEndpointParams(params: object, deploymentId: string): void {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== '');
  for (const [key] of given) {
    const meant = MEANT.get(bare(key));
    if (meant !== undefined && meant !== key && !ADDRESSES.some((address) => address === key)) {
      throw new DeploymentFault(deploymentId, key, `${key} is no parameter of LiteLLM`, `write ${meant}`);
    }
  }
  const values = new Map<string, unknown>(given);
  for (const key of TEXTS) {
    const value = values.get(key);
    if (value === undefined) continue;
    if (typeof value !== 'string') throw new DeploymentFault(deploymentId, key, 'must be a text', 'a number needs quotes');
    if (OIDC.test(value)) throw new DeploymentFault(deploymentId, key, `${key} from an OIDC provider is not supported yet`, 'set api_key');
  }
  if (values.has('litellm_credential_name')) {
    const key = 'litellm_credential_name';
    throw new DeploymentFault(deploymentId, key, `${key} is not supported yet`, 'set api_key and api_base in the deployment');
  }
}

function bare(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}
