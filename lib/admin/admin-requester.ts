import type { AuditActor } from '../common/audit-log.js';
import { ApiKeyError } from '../common/http-errors.js';
import type { Principal } from '../http/principal.js';
import { actorOf, type ManagedRequest } from '../keys/api/audit-actor.js';
import type { ApiKeyService } from '../keys/api-keys.service.js';

/** The sender of a request to an admin route. */
export class AdminRequester {
  private constructor(
    readonly principal: Principal,
    /** Actor for the audit log. */
    readonly by: AuditActor,
  ) {}

  /**
   * Authenticates a request.
   * @param path the route, which the key must allow
   * @throws ApiKeyError: 401 without a valid key, also in an app without keys; 403 if the key may
   * not request the route
   */
  static async of(request: ManagedRequest, path: string, keys: ApiKeyService | undefined): Promise<AdminRequester> {
    if (keys === undefined) throw new ApiKeyError('unknown');
    const principal = await keys.authenticate(request.headers);
    if (principal.mayRequest?.(path) === false) throw new ApiKeyError('route_not_allowed');
    return new AdminRequester(principal, actorOf(request, principal.keyId ?? 'master'));
  }

  /** Whether the request has the master key. */
  get isMaster(): boolean {
    return this.principal.isAdmin;
  }

  /** @throws ApiKeyError (403) without the master key. */
  checkMaster(): void {
    if (!this.isMaster) throw new ApiKeyError('not_admin');
  }
}
