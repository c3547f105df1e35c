import { randomUUID } from 'node:crypto';
import { HttpException } from '@nestjs/common';
import { InvalidArgumentError } from '../../common/errors.js';
import { checkBoolean, checkObject, checkOneOf, refuseArgument } from '../../common/options.js';
import { changesOf as keyChangesOf } from '../../keys/api/key-fields.js';
import { limitChangesOf } from '../../keys/api/limit-fields.js';
import { changedKeyRowOf, keyRowOf } from '../../keys/api/key-rows.js';
import { LAST_PAGE, wholeNumber } from '../../keys/api/audit-api.js';
import type { ApiKeyService } from '../../keys/api-keys.service.js';
import { memberId, type TeamMemberRecord, type UserRecord } from '../directory-records.js';
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
  type Fields,
} from './directory-fields.js';
import { deleteKeysOf } from './owned-keys.js';
import type { Requester } from './requester.js';

const NAMED = { user_alias: 'alias', user_email: 'email', user_role: 'role', blocked: 'blocked', metadata: 'metadata' };
const SETTINGS = [...Object.keys(NAMED), ...LIMITING, 'models'];
/** Fields of the key that is created with a user. */
const KEY_FIELDS = ['auto_create_key', 'key_alias', 'duration'];
const LIST_FIELDS = 'role user_ids user_email team search page page_size sort_by sort_order'.split(' ');
/** LiteLLM's roles. */
const ROLES = 'proxy_admin proxy_admin_viewer org_admin internal_user internal_user_viewer team customer'.split(' ');
const DEFAULT_PAGE_SIZE = 25;
const MOST_KEYS = 1_000;

/** LiteLLM's `/user/*` routes, with its fields. */
export class UserApi {
  constructor(
    private readonly directory: DirectoryService,
    private readonly keys: ApiKeyService,
  ) {}

  /** Also creates a key for the user, unless `auto_create_key` is `false`. */
  async create(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      requester.checkMaster();
      const fields = checkBody(body, [...SETTINGS, ...KEY_FIELDS, 'user_id', 'teams']);
      const teams = await this.teamsIn(fields);
      const id = optionalTextIn(fields, 'user_id') ?? randomUUID();
      if ((await this.directory.find('users', id)) !== undefined) throw taken('user_id');
      const email = optionalTextIn(fields, 'user_email');
      if (email !== undefined && (await this.byEmail(email)) !== undefined) throw taken('user_email');
      const { auto_create_key: given = true, key_alias, duration } = fields;
      const hasKey = checkBoolean('auto_create_key', given ?? true, refuseArgument);
      const settings = settingsOf(keyChangesOf({ key_alias, duration, user_id: id }, {}, Date.now())) as object;
      const user = await this.directory.create('users', { id, ...settingsOf(changesOf(fields, {})) }, requester.by);
      for (const { team, ...membership } of teams) {
        const member = { id: memberId(team, id), team, user: id, ...membership } as TeamMemberRecord;
        await this.directory.create('team_members', member, requester.by);
      }
      const created = hasKey ? await this.keys.create(settings, undefined, requester.by) : undefined;
      const key = created && { ...(await changedKeyRowOf(this.keys, created.record)), key: created.key };
      return { ...key, ...(await this.rowOf(user)), key: created?.key ?? null };
    });
  }

  async update(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      requester.checkMaster();
      const { user_id, ...fields } = checkBody(body, [...SETTINGS, 'user_id']);
      const named = optionalTextIn({ user_id }, 'user_id');
      const email = optionalTextIn(fields, 'user_email');
      if (named === undefined && email === undefined)
        throw new InvalidArgumentError('user_id', user_id, 'must be set, unless user_email is set');
      const byEmail = named === undefined ? await this.byEmail(email ?? '') : undefined;
      const id = existing(named ?? byEmail?.id, 'user', 'user_id');
      const user = existing(
        await this.directory.update('users', id, (before) => changesOf(fields, before), requester.by),
        'user',
        'user_id',
      );
      return { user_id: id, data: await this.rowOf(user) };
    });
  }

  /** Without an id, returns the user of the sender's key. */
  async info(query: unknown, requester: Requester): Promise<Fields> {
    return answering(query, 'user_id', async () => {
      const id = optionalTextIn(checkBody(query, ['user_id']), 'user_id') ?? requester.user;
      if (id === undefined) throw new InvalidArgumentError('user_id', undefined, 'must be set, because the key has no user');
      requester.checkMayReadUser(id);
      const user = existing(await this.directory.find('users', id), 'user', 'user_id');
      const [keys, members] = await Promise.all([
        this.keys.search({ user: id, limit: MOST_KEYS }),
        this.directory.list('team_members', { user: id, limit: MOST_KEYS }),
      ]);
      const ids = members.records.map(({ team }) => team);
      const { records: teams } = ids.length === 0 ? { records: [] } : await this.directory.list('teams', { ids, limit: MOST_KEYS });
      return {
        user_id: id,
        user_info: await this.rowOf(user, ids),
        keys: await Promise.all(keys.records.map((key) => keyRowOf(this.keys, key))),
        teams: teams.map(({ id: team, alias }) => ({ team_id: team, team_alias: alias ?? null })),
      };
    });
  }

  /** The user alone, without keys and teams. */
  async row(query: unknown, requester: Requester): Promise<Fields> {
    return answering(query, 'user_id', async () => {
      const id = optionalTextIn(checkBody(query, ['user_id']), 'user_id') ?? requester.user;
      if (id === undefined) throw new InvalidArgumentError('user_id', undefined, 'must be set, because the key has no user');
      requester.checkMayReadUser(id);
      return this.rowOf(existing(await this.directory.find('users', id), 'user', 'user_id'));
    });
  }

  async list(query: unknown, requester: Requester): Promise<Fields> {
    return answering(query, 'user_id', async () => {
      requester.checkMaster();
      const fields = checkBody(query, LIST_FIELDS);
      const page = wholeNumber('page', fields.page, 1, LAST_PAGE);
      const size = wholeNumber('page_size', fields.page_size, DEFAULT_PAGE_SIZE, LARGEST_PAGE);
      checkOrder(fields);
      const team = optionalTextIn(fields, 'team');
      const ofTeam = team === undefined ? undefined : await this.directory.list('team_members', { teams: [team], limit: MOST_KEYS });
      const ids = ofTeam?.records.map(({ user }) => user) ?? optionalTextIn(fields, 'user_ids')?.split(',');
      // LiteLLM's `user_email` matches parts of an address.
      const search = optionalTextIn(fields, 'user_email') ?? optionalTextIn(fields, 'search');
      const { records, total } = await this.directory.list('users', {
        ids,
        role: optionalTextIn(fields, 'role'),
        search,
        limit: size,
        offset: (page - 1) * size,
      });
      const users = await Promise.all(records.map((user) => this.rowOf(user)));
      return { users, total, page, page_size: size, total_pages: Math.ceil(total / size) };
    });
  }

  /** Deletes all records and their keys, or none if one does not exist. Returns how many. */
  async delete(body: unknown, requester: Requester): Promise<number> {
    return answering(body, 'user_id', async () => {
      requester.checkMaster();
      const ids = idsIn(checkBody(body, ['user_ids']), 'user_ids');
      for (const id of ids) existing(await this.directory.find('users', id), 'user', 'user_ids');
      for (const id of ids) {
        await deleteKeysOf(this.keys, { user: id }, requester.by);
        await this.directory.delete('users', id, requester.by);
      }
      return ids.length;
    });
  }

  private async byEmail(email: string): Promise<UserRecord | undefined> {
    if (email === '') return undefined;
    const { records } = await this.directory.list('users', { email, limit: 2 });
    if (records.length > 1) throw new InvalidArgumentError('user_email', email, 'must match exactly one user; set user_id instead');
    return records[0];
  }

  /** Parses ids of teams, or LiteLLM's objects. */
  private async teamsIn({ teams }: Fields): Promise<readonly (Partial<TeamMemberRecord> & { readonly team: string })[]> {
    if (teams === undefined || teams === null) return [];
    if (!Array.isArray(teams)) throw new InvalidArgumentError('teams', teams, 'must be an array');
    const found = (teams as readonly unknown[]).map((entry, index) => {
      const path = `teams[${index}]`;
      if (typeof entry === 'string') return { team: entry };
      const { team_id: team, max_budget_in_team: budget, user_role: role } = checkObject(path, entry, refuseArgument);
      const limits = settingsOf(limitChangesOf({ max_budget: budget }, {}));
      return {
        team: String(team),
        role: role === 'admin' ? ('admin' as const) : ('user' as const),
        ...(limits as Partial<TeamMemberRecord>),
      };
    });
    for (const { team } of found) existing(await this.directory.find('teams', team), 'team', 'teams');
    return found;
  }

  private async rowOf(user: UserRecord, teams?: readonly string[]): Promise<Fields> {
    const members =
      teams ?? (await this.directory.list('team_members', { user: user.id, limit: MOST_KEYS })).records.map(({ team }) => team);
    return {
      user_id: user.id,
      user_alias: user.alias ?? null,
      user_email: user.email ?? null,
      user_role: user.role ?? null,
      teams: members,
      models: user.models ?? [],
      metadata: user.metadata ?? {},
      blocked: user.blocked ?? false,
      ...limitedFieldsOf(user, await this.directory.spendingOf('users', user)),
    };
  }
}

function changesOf(fields: Fields, before: Partial<UserRecord>): DirectoryChanges<'users'> {
  const { user_role: role } = fields;
  if (role !== undefined && role !== null && role !== '') checkOneOf('user_role', role, ROLES, refuseArgument);
  return { ...renamed(fields, NAMED), ...modelsIn(fields), ...limitChangesOf(fields, before) };
}

function taken(param: string): HttpException {
  const error = { message: 'The user already exists.', type: 'invalid_request_error', param, code: 'user_exists' };
  return new HttpException({ error }, 409);
}
