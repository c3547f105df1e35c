import { createHash } from 'node:crypto';
import { makeRoom } from '../../common/collections.js';
import type { Deployment } from '../deployments/deployment.js';
import { QuotaDomain } from './quota-domain.js';

/** Requests may name the models of a wildcard: the domain used longest ago is forgotten. */
const MOST_DOMAINS = 4_096;

/** Parameters that say whose quota a deployment uses, and where. */
const OF_ACCOUNT = [
  'api_key',
  'azure_ad_token',
  'api_base',
  'base_url',
  'organization',
  'tenant_id',
  'client_id',
  'aws_access_key_id',
  'aws_role_name',
  'aws_region_name',
  'aws_bedrock_runtime_endpoint',
  'vertex_project',
  'vertex_location',
] as const;

/** The quotas of providers that a router's deployments use. */
export class QuotaDomains {
  private readonly domains = new Map<string, QuotaDomain>();
  /** How often one was closed after a 429. */
  closures = 0;
  private readonly accounts = new WeakMap<Deployment, string>();

  /** @param model The model that is called; for a wildcard, not the deployment's. */
  of(deployment: Deployment, model: string): QuotaDomain {
    const name = `${this.accountOf(deployment)} ${model}`;
    const known = this.domains.get(name);
    const domain = known ?? new QuotaDomain(() => this.closures++);
    // The newest is last.
    if (known !== undefined) this.domains.delete(name);
    makeRoom(this.domains, MOST_DOMAINS);
    this.domains.set(name, domain);
    return domain;
  }

  /** The same, if it is known. */
  find(deployment: Deployment, model: string): QuotaDomain | undefined {
    return this.domains.get(`${this.accountOf(deployment)} ${model}`);
  }

  values(): IterableIterator<QuotaDomain> {
    return this.domains.values();
  }

  /** A hash: keys are not kept. */
  private accountOf(deployment: Deployment): string {
    let account = this.accounts.get(deployment);
    if (account === undefined) {
      const parts = [deployment.provider, ...OF_ACCOUNT.map((key) => deployment.params[key] ?? null)];
      account = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
      this.accounts.set(deployment, account);
    }
    return account;
  }
}
