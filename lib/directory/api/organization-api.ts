import { randomUUID } from 'node:crypto';
import { InvalidArgumentError } from '../../common/errors.js';
import { limitChangesOf } from '../../keys/api/limit-fields.js';
import type { OrganizationRecord } from '../directory-records.js';
import type { DirectoryChanges, DirectoryService } from '../directory.service.js';
import {
  answering,
  checkBody,
  existing,
  idsIn,
  limitedFieldsOf,
  LIMITING,
  modelsIn,
  optionalTextIn,
  renamed,
  settingsOf,
  textIn,
  withSharedLimits,
  type Fields,
} from './directory-fields.js';
import type { Requester } from './requester.js';

const NAMED = { organization_alias: 'alias', metadata: 'metadata' };
const SETTINGS = [...Object.keys(NAMED), ...LIMITING, 'models'];
const MOST = 1_000;

/** LiteLLM's `/organization/*` routes, with its fields. */
export class OrganizationApi {
  constructor(private readonly directory: DirectoryService) {}

  async create(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'organization_id', async () => {
      requester.checkMaster();
      const fields = checkBody(body, [...SETTINGS, 'organization_id']);
      const id = optionalTextIn(fields, 'organization_id') ?? randomUUID();
      return this.row(await this.directory.create('organizations', { id, ...settingsOf(changesOf(fields, {})) }, requester.by));
    });
  }

  async update(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'organization_id', async () => {
      requester.checkMaster();
      const { organization_id, ...fields } = checkBody(body, [...SETTINGS, 'organization_id']);
      const id = textIn({ organization_id }, 'organization_id');
      const updated = await this.directory.update('organizations', id, (before) => changesOf(fields, before), requester.by);
      return this.row(existing(updated, 'organization', 'organization_id'));
    });
  }

  async info(query: unknown, requester: Requester): Promise<Fields> {
    return answering(query, 'organization_id', async () => {
      requester.checkMaster();
      const id = textIn(checkBody(query, ['organization_id']), 'organization_id');
      return this.row(existing(await this.directory.find('organizations', id), 'organization', 'organization_id'));
    });
  }

  async list(query: unknown, requester: Requester): Promise<readonly Fields[]> {
    return answering(query, 'organization_id', async () => {
      requester.checkMaster();
      const fields = checkBody(query, ['org_id', 'org_alias']);
      const id = optionalTextIn(fields, 'org_id');
      const asked = { ids: id === undefined ? undefined : [id], search: optionalTextIn(fields, 'org_alias'), limit: MOST };
      const { records } = await this.directory.list('organizations', asked);
      return Promise.all(records.map((organization) => this.row(organization)));
    });
  }

  /** Deletes all organizations or none. An organization with teams cannot be deleted. */
  async delete(body: unknown, requester: Requester): Promise<readonly Fields[]> {
    return answering(body, 'organization_id', async () => {
      requester.checkMaster();
      const ids = idsIn(checkBody(body, ['organization_ids']), 'organization_ids');
      const rows: Fields[] = [];
      for (const id of ids) {
        rows.push(await this.row(existing(await this.directory.find('organizations', id), 'organization', 'organization_ids')));
        const { total } = await this.directory.list('teams', { organization: id, limit: 1 });
        if (total > 0) throw new InvalidArgumentError('organization_ids', id, 'must not have teams; delete or move them first');
      }
      for (const id of ids) await this.directory.delete('organizations', id, requester.by);
      return rows;
    });
  }

  private async row(organization: OrganizationRecord): Promise<Fields> {
    const { id, alias, models, metadata } = organization;
    const [spending, teams] = await Promise.all([
      this.directory.spendingOf('organizations', organization),
      this.directory.list('teams', { organization: id, limit: MOST }),
    ]);
    const { spend, ...limits } = limitedFieldsOf(await withSharedLimits(this.directory, organization), spending);
    return {
      organization_id: id,
      organization_alias: alias ?? null,
      models: models ?? [],
      metadata: metadata ?? {},
      spend,
      budget_id: limits.budget_id,
      litellm_budget_table: limits,
      teams: teams.records.map((team) => ({ team_id: team.id, team_alias: team.alias ?? null })),
      created_at: limits.created_at,
      updated_at: limits.updated_at,
    };
  }
}

function changesOf(fields: Fields, before: Partial<OrganizationRecord>): DirectoryChanges<'organizations'> {
  return { ...renamed(fields, NAMED), ...modelsIn(fields), ...limitChangesOf(fields, before) };
}
