import { randomUUID } from 'node:crypto';
import { InvalidArgumentError } from '../../common/errors.js';
import { checkObject, checkOneOf, checkString, refuseArgument } from '../../common/options.js';
import { unlessEmpty } from '../../keys/api/key-fields.js';
import { keyRowOf } from '../../keys/api/key-rows.js';
import { limitChangesOf } from '../../keys/api/limit-fields.js';
import { LAST_PAGE, wholeNumber } from '../../keys/api/audit-api.js';
import type { ApiKeyService } from '../../keys/api-keys.service.js';
import { memberId, type TeamMemberRecord, type TeamRecord, type UserRecord } from '../directory-records.js';
import type { DirectoryQuery } from '../directory-store.js';
import type { DirectoryChanges, DirectoryService } from '../directory.service.js';
import {
  answering,
  checkBody,
  checkOrder,
  existing,
  idsIn,
  LARGEST_PAGE,
  limitedFieldsOf,
  LIMITING,
  modelsIn,
  optionalTextIn,
  renamed,
  settingsOf,
  textIn,
  type Fields,
} from './directory-fields.js';
import { deleteKeysOf } from './owned-keys.js';
import type { Requester } from './requester.js';

const NAMED = { team_alias: 'alias', organization_id: 'organization', blocked: 'blocked', metadata: 'metadata' };
const SETTINGS = [...Object.keys(NAMED), ...LIMITING, 'models', 'model_aliases'];
/** Fields that a team admin can change without the master key. */
const OWN_SETTINGS = ['team_alias'];
const LIST_FIELDS = 'user_id organization_id team_id team_alias search page page_size sort_by sort_order'.split(' ');
const MEMBER_LIMITS = ['max_budget_in_team', 'tpm_limit', 'rpm_limit', 'budget_duration'];
const ROLES = ['admin', 'user'] as const;
const MOST_MEMBERS = 1_000;
const DEFAULT_PAGE_SIZE = 10;

/** A member as named in a request. */
interface NamedMember {
  readonly user: UserRecord | undefined;
  readonly userId: string;
  readonly email: string | undefined;
  readonly role: TeamMemberRecord['role'];
}

/** LiteLLM's `/team/*` routes, with its fields. */
export class TeamApi {
  constructor(
    private readonly directory: DirectoryService,
    private readonly keys: ApiKeyService,
  ) {}

  async create(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'team_id', async () => {
      requester.checkMaster();
      const fields = checkBody(body, [...SETTINGS, 'team_id', 'members_with_roles', 'members', 'admins']);
      const members = await this.membersIn(fields);
      const id = optionalTextIn(fields, 'team_id') ?? randomUUID();
      const team = await this.directory.create('teams', { id, ...settingsOf(changesOf(fields, {})) }, requester.by);
      for (const member of members) await this.join(team.id, member, {}, requester);
      return this.row(team);
    });
  }

  async update(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'team_id', async () => {
      const { team_id, ...fields } = checkBody(body, [...SETTINGS, 'team_id']);
      const id = textIn({ team_id }, 'team_id');
      await requester.checkMayManage(id);
      if (Object.keys(fields).some((name) => !OWN_SETTINGS.includes(name))) requester.checkMaster();
      const team = existing(
        await this.directory.update('teams', id, (before) => changesOf(fields, before), requester.by),
        'team',
        'team_id',
      );
      return { team_id: id, data: await this.row(team) };
    });
  }

  async info(query: unknown, requester: Requester): Promise<Fields> {
    return answering(query, 'team_id', async () => {
      const id = optionalTextIn(checkBody(query, ['team_id']), 'team_id') ?? requester.team;
      if (id === undefined) throw new InvalidArgumentError('team_id', undefined, 'must be set, because the key has no team');
      await requester.checkMayRead(id);
      const team = existing(await this.directory.find('teams', id), 'team', 'team_id');
      const [members, keys] = await Promise.all([this.membersOf([id]), this.keys.search({ team: id, limit: MOST_MEMBERS })]);
      // Other members see only their own keys.
      const shown = keys.records.filter((key) => requester.isMaster || isAdmin(members, requester.user) || requester.owns(key));
      return {
        team_id: id,
        team_info: await this.row(team, members),
        keys: await Promise.all(shown.map((key) => keyRowOf(this.keys, key))),
        team_memberships: await Promise.all(members.map((member) => this.membership(member))),
      };
    });
  }

  /** LiteLLM's unpaged list, limited to 1,000 teams; `/v2/team/list` has pages. */
  async list(query: unknown, requester: Requester): Promise<readonly Fields[]> {
    return answering(
      query,
      'team_id',
      async () => (await this.matching(checkBody(query, LIST_FIELDS), requester, { limit: MOST_MEMBERS })).rows,
    );
  }

  async listPages(query: unknown, requester: Requester): Promise<Fields> {
    return answering(query, 'team_id', async () => {
      const fields = checkBody(query, LIST_FIELDS);
      const page = wholeNumber('page', fields.page, 1, LAST_PAGE);
      const size = wholeNumber('page_size', fields.page_size, DEFAULT_PAGE_SIZE, LARGEST_PAGE);
      const { rows, total } = await this.matching(fields, requester, { limit: size, offset: (page - 1) * size });
      const counted = rows.map((row) => ({ ...row, members_count: (row.members as readonly string[]).length }));
      return { teams: counted, total, page, page_size: size, total_pages: Math.ceil(total / size) };
    });
  }

  /** Deletes all records and their keys, or none if one does not exist. */
  async delete(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'team_id', async () => {
      requester.checkMaster();
      const ids = idsIn(checkBody(body, ['team_ids']), 'team_ids');
      for (const id of ids) existing(await this.directory.find('teams', id), 'team', 'team_ids');
      for (const id of ids) {
        await deleteKeysOf(this.keys, { team: id }, requester.by);
        await this.directory.delete('teams', id, requester.by);
      }
      return { deleted_teams: ids };
    });
  }

  async block(body: unknown, blocked: boolean, requester: Requester): Promise<Fields> {
    return answering(body, 'team_id', async () => {
      requester.checkMaster();
      const id = textIn(checkBody(body, ['team_id']), 'team_id');
      return this.row(existing(await this.directory.update('teams', id, { blocked }, requester.by), 'team', 'team_id'));
    });
  }

  /** Adds one member or a list. Creates missing users. */
  async addMembers(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      const fields = checkBody(body, ['team_id', 'member', ...MEMBER_LIMITS]);
      const team = await this.managed(fields, requester);
      const given: unknown = fields.member;
      const members = await this.namedMembers('member', Array.isArray(given) ? given : [given]);
      const limits = memberChangesOf(fields, {});
      const joined: TeamMemberRecord[] = [];
      for (const member of members) joined.push(await this.join(team.id, member, settingsOf(limits), requester));
      const emails = await this.emailsOf(joined);
      return {
        ...(await this.row(team)),
        updated_users: joined.map(({ user }) => ({ user_id: user, user_email: emails.get(user) ?? null })),
        updated_team_memberships: await Promise.all(joined.map((member) => this.membership(member))),
      };
    });
  }

  /** Removes a member and its keys in the team. */
  async removeMember(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      const fields = checkBody(body, ['team_id', 'user_id', 'user_email']);
      const team = await this.managed(fields, requester);
      const { id, user } = await this.memberIn(team, fields);
      await this.directory.delete('team_members', id, requester.by);
      await deleteKeysOf(this.keys, { team: team.id, user }, requester.by);
      return this.row(team);
    });
  }

  async updateMember(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      const fields = checkBody(body, ['team_id', 'user_id', 'user_email', 'role', ...MEMBER_LIMITS]);
      const team = await this.managed(fields, requester);
      const { id, user } = await this.memberIn(team, fields);
      const role = fields.role === undefined ? {} : { role: checkOneOf('role', fields.role, ROLES, refuseArgument) };
      const changes = (before: TeamMemberRecord): DirectoryChanges<'team_members'> => ({ ...role, ...memberChangesOf(fields, before) });
      const member = existing(await this.directory.update('team_members', id, changes, requester.by), 'member', 'user_id');
      const email = (await this.emailsOf([member])).get(user);
      const { limits = {} } = member;
      return {
        team_id: team.id,
        user_id: user,
        user_email: email ?? null,
        role: member.role ?? 'user',
        max_budget_in_team: limits.usdPerWindow ?? limits.usdTotal ?? null,
        tpm_limit: limits.tokensPerMinute ?? null,
        rpm_limit: limits.requestsPerMinute ?? null,
      };
    });
  }

  /** Returns the teams that a requester can see: all, or those of the key and its user. */
  private async matching(fields: Fields, requester: Requester, page: DirectoryQuery): Promise<{ rows: readonly Fields[]; total: number }> {
    checkOrder(fields);
    const user = optionalTextIn(fields, 'user_id');
    if (user !== undefined) requester.checkMayReadUser(user);
    const ofUser = user ?? (requester.isMaster ? undefined : requester.user);
    const memberships = ofUser === undefined ? undefined : await this.directory.list('team_members', { user: ofUser, limit: MOST_MEMBERS });
    const visible = memberships?.records.map(({ team }) => team) ?? (requester.isMaster ? undefined : []);
    const own = requester.isMaster || user !== undefined || requester.team === undefined ? [] : [requester.team];
    const asked = optionalTextIn(fields, 'team_id');
    const ids = visible === undefined ? asked && [asked] : [...visible, ...own].filter((id) => asked === undefined || id === asked);
    const query = {
      ...page,
      ids: ids === undefined || ids === '' ? undefined : ids,
      organization: optionalTextIn(fields, 'organization_id'),
      alias: optionalTextIn(fields, 'team_alias'),
      search: optionalTextIn(fields, 'search'),
    };
    const { records, total } = await this.directory.list('teams', query);
    const members = records.length === 0 ? [] : await this.membersOf(records.map(({ id }) => id));
    const emails = await this.emailsOf(members);
    const membersOf = (id: string): readonly TeamMemberRecord[] => members.filter(({ team }) => team === id);
    return { rows: await Promise.all(records.map((team) => this.row(team, membersOf(team.id), emails))), total };
  }

  private async managed(fields: Fields, requester: Requester): Promise<TeamRecord> {
    const id = textIn(fields, 'team_id');
    await requester.checkMayManage(id);
    return existing(await this.directory.find('teams', id), 'team', 'team_id');
  }

  private async membersOf(teams: readonly string[]): Promise<readonly TeamMemberRecord[]> {
    const members: TeamMemberRecord[] = [];
    for (;;) {
      const { records } = await this.directory.list('team_members', { teams, limit: MOST_MEMBERS, offset: members.length });
      members.push(...records);
      if (records.length < MOST_MEMBERS) return members;
    }
  }

  private async memberIn(team: TeamRecord, fields: Fields): Promise<TeamMemberRecord> {
    const { user, userId } = await this.named('', fields);
    const id = user?.id ?? userId;
    return existing(await this.directory.findMember(team.id, id), 'member', 'user_id');
  }

  /** Members of a new team, as `members_with_roles`, or as LiteLLM's former lists. */
  private async membersIn(fields: Fields): Promise<readonly NamedMember[]> {
    const listOf = (name: string): readonly unknown[] => (Array.isArray(fields[name]) ? (fields[name] as unknown[]) : []);
    const former = (name: string, role: string): readonly unknown[] => listOf(name).map((id) => ({ user_id: id, role }));
    return this.namedMembers('members_with_roles', [
      ...listOf('members_with_roles'),
      ...former('admins', 'admin'),
      ...former('members', 'user'),
    ]);
  }

  private async namedMembers(path: string, given: readonly unknown[]): Promise<readonly NamedMember[]> {
    if (given.length > MOST_MEMBERS) throw new InvalidArgumentError(path, given, `must have at most ${MOST_MEMBERS} entries`);
    const named: NamedMember[] = [];
    for (const [index, member] of given.entries())
      named.push(await this.named(`${path}[${index}].`, checkObject(`${path}[${index}]`, member, refuseArgument)));
    return named;
  }

  private async named(path: string, fields: Fields): Promise<NamedMember> {
    const { user_id: id, user_email: email, role } = fields;
    const known = ROLES.find((each) => each === role);
    if (role !== undefined && role !== null && known === undefined) checkOneOf(`${path}role`, role, ROLES, refuseArgument);
    if (typeof id === 'string' && id !== '')
      return { user: await this.directory.find('users', id), userId: id, email: optionalTextIn(fields, 'user_email'), role: known };
    const text = checkString(`${path}${email === undefined ? 'user_id' : 'user_email'}`, email, refuseArgument);
    const { records } = await this.directory.list('users', { email: text, limit: 2 });
    if (records.length > 1) throw new InvalidArgumentError(`${path}user_email`, text, 'must match exactly one user; set user_id instead');
    return { user: records[0], userId: records[0]?.id ?? randomUUID(), email: text, role: known };
  }

  private async join(
    team: string,
    { user, userId, email, role = 'user' }: NamedMember,
    settings: DirectoryChanges<'team_members'>,
    { by }: Requester,
  ): Promise<TeamMemberRecord> {
    if (user === undefined) await this.directory.create('users', { id: userId, email }, by);
    const id = memberId(team, userId);
    const changes = { ...settings, role };
    if ((await this.directory.findMember(team, userId)) !== undefined)
      return existing(await this.directory.update('team_members', id, changes, by), 'member', 'user_id');
    return this.directory.create('team_members', { id, team, user: userId, ...settingsOf(changes) }, by);
  }

  /** The addresses of members, by user. */
  private async emailsOf(members: readonly TeamMemberRecord[]): Promise<ReadonlyMap<string, string>> {
    const ids = [...new Set(members.map(({ user }) => user))];
    const emails = new Map<string, string>();
    for (let from = 0; from < ids.length; from += MOST_MEMBERS) {
      const { records } = await this.directory.list('users', { ids: ids.slice(from, from + MOST_MEMBERS), limit: MOST_MEMBERS });
      for (const { id, email } of records) if (email !== undefined) emails.set(id, email);
    }
    return emails;
  }

  private async row(team: TeamRecord, members?: readonly TeamMemberRecord[], known?: ReadonlyMap<string, string>): Promise<Fields> {
    const of = members ?? (await this.membersOf([team.id]));
    const emails = known ?? (await this.emailsOf(of));
    return {
      team_id: team.id,
      team_alias: team.alias ?? null,
      organization_id: team.organization ?? null,
      admins: of.filter(({ role }) => role === 'admin').map(({ user }) => user),
      members: of.map(({ user }) => user),
      members_with_roles: of.map(({ user, role = 'user' }) => ({ user_id: user, user_email: emails.get(user) ?? null, role })),
      metadata: team.metadata ?? {},
      models: team.models ?? [],
      model_aliases: team.modelAliases ?? {},
      blocked: team.blocked ?? false,
      ...limitedFieldsOf(team, await this.directory.spendingOf('teams', team)),
    };
  }

  private async membership(member: TeamMemberRecord): Promise<Fields> {
    const { team, user, role = 'user' } = member;
    const { spend, ...limits } = limitedFieldsOf(member, await this.directory.spendingOf('team_members', member));
    return { team_id: team, user_id: user, role, spend, budget_id: limits.budget_id, litellm_budget_table: limits };
  }
}

function isAdmin(members: readonly TeamMemberRecord[], user: string | undefined): boolean {
  return members.some((member) => member.user === user && member.role === 'admin');
}

function changesOf(fields: Fields, before: Partial<TeamRecord>): DirectoryChanges<'teams'> {
  const { model_aliases: aliases } = fields;
  return {
    ...renamed(fields, NAMED),
    ...modelsIn(fields),
    ...(aliases !== undefined && { modelAliases: unlessEmpty(aliases) as Record<string, string> | null }),
    ...limitChangesOf(fields, before),
  };
}

function memberChangesOf(
  { max_budget_in_team: budget, ...fields }: Fields,
  before: Partial<TeamMemberRecord>,
): DirectoryChanges<'team_members'> {
  const { tpm_limit, rpm_limit, budget_duration } = fields;
  return limitChangesOf({ max_budget: budget, tpm_limit, rpm_limit, budget_duration }, before);
}
