import type { AuditActor } from '../../common/audit-log.js';
import { ApiKeyError } from '../../common/http-errors.js';
import type { Principal } from '../../http/principal.js';
import type { DirectoryService } from '../directory.service.js';

/** Who sends a request to LiteLLM's routes for teams, users and others. */
export class Requester {
  constructor(
    private readonly principal: Principal,
    private readonly directory: DirectoryService,
    /** For the audit log. */
    readonly by: AuditActor,
  ) {}

  /** Whether the master key was sent. */
  get isMaster(): boolean {
    return this.principal.isAdmin;
  }

  get user(): string | undefined {
    return this.principal.user;
  }

  get team(): string | undefined {
    return this.principal.team;
  }

  /** @throws ApiKeyError (403) without the master key. */
  checkMaster(): void {
    if (!this.isMaster) throw new ApiKeyError('not_admin');
  }

  /**
   * The team of the key, or of its user. The answer does not depend on whether the team exists.
   * @throws ApiKeyError (403)
   */
  async checkMayRead(team: string): Promise<void> {
    if (this.isMaster || team === this.team || (await this.roleIn(team)) !== undefined) return;
    throw new ApiKeyError('not_admin');
  }

  /** Admins of a team change its name and its members. @throws ApiKeyError (403) */
  async checkMayManage(team: string): Promise<void> {
    if (this.isMaster || (await this.roleIn(team)) === 'admin') return;
    throw new ApiKeyError('not_admin');
  }

  /** The key's own user. @throws ApiKeyError (403) */
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
