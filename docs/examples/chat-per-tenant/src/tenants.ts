import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';

export type Plan = 'free' | 'pro';

export interface Tenant {
  readonly id: string;
  readonly plan: Plan;
}

export interface TenantRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  tenant?: Tenant;
}

/** API keys and their tenants: a table of your database. */
const TENANTS: ReadonlyMap<string, Tenant> = new Map([
  ['key-of-acme', { id: 'acme', plan: 'free' }],
  ['key-of-globex', { id: 'globex', plan: 'free' }],
  ['key-of-initech', { id: 'initech', plan: 'pro' }],
]);

/** Lets requests with a known API key pass, and remembers whose they are. */
@Injectable()
export class TenantGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<TenantRequest>();
    const [scheme, key = ''] = (request.headers.authorization ?? '').split(' ');
    request.tenant = scheme.toLowerCase() === 'bearer' ? TENANTS.get(key) : undefined;
    if (request.tenant === undefined) throw new UnauthorizedException('unknown API key');
    return true;
  }
}

/** Key of a rule for the tenants of one plan: the rule does not apply to the others. */
export function tenantOn(plan: Plan): (request: TenantRequest) => string | false {
  return ({ tenant }) => tenant?.plan === plan && tenant.id;
}
