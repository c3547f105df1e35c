import type { AuditActor } from '../../common/audit-log.js';
import { ApiKeyError } from '../../common/http-errors.js';
import type { Principal } from '../../http/principal.js';
import type { ApiKeyRecord } from '../../keys/api-key-record.js';
import type { DirectoryService } from '../directory.service.js';

/** The sender of a request to LiteLLM's directory routes. */
export class Requester {
  constructor(
    private readonly principal: Principal,
    private readonly directory: DirectoryService,
    /** Actor for the audit log. */
    readonly by: AuditActor,
  ) {}

  /** Whether the request has the master key. */
  get isMaster(): boolean {
    return this.principal.isAdmin;
  }

  get user(): string | undefined {
    return this.principal.user;
  }

  get team(): string | undefined {
    return this.principal.team;
  }

  /** Whether a key is of the same user or, for a key without a user, the same key. */
  owns({ publicId, user }: ApiKeyRecord): boolean {
    return this.user === undefined ? publicId === this.principal.keyId : user === this.user;
  }

  /** @throws ApiKeyError (403) without the master key. */
  checkMaster(): void {
    if (!this.isMaster) throw new ApiKeyError('not_admin');
  }

  /**
   * Checks that the key or its user is in the team. The error is the same if the team does not
   * exist.
   * @throws ApiKeyError (403)
   */
  async checkMayRead(team: string): Promise<void> {
    if (this.isMaster || team === this.team || (await this.roleIn(team)) !== undefined) return;
    throw new ApiKeyError('not_admin');
  }

  /**
   * Checks that the requester is an admin of the team, who can change its name and members. @throws
   * ApiKeyError (403)
   */
  async checkMayManage(team: string): Promise<void> {
    if (this.isMaster || (await this.roleIn(team)) === 'admin') return;
    throw new ApiKeyError('not_admin');
  }

  /** Checks that the user is the key's own. @throws ApiKeyError (403) */
  checkMayReadUser(user: string): void {
    if (!this.isMaster && user !== this.user) throw new ApiKeyError('not_admin');
  }

  private async roleIn(team: string): Promise<string | undefined> {
    const { user } = this;
    if (user === undefined) return undefined;
    const member = await this.directory.findMember(team, user);
    return member && (member.role ?? 'user');
  }
}
