import { InvalidArgumentError } from '../../common/errors.js';
import { limitChangesOf } from '../../keys/api/limit-fields.js';
import type { CustomerRecord } from '../directory-records.js';
import type { DirectoryChanges, DirectoryService } from '../directory.service.js';
import {
  answering,
  checkBody,
  existing,
  idsIn,
  limitedFieldsOf,
  LIMITING,
  renamed,
  settingsOf,
  textIn,
  withSharedLimits,
  type Fields,
} from './directory-fields.js';
import type { Requester } from './requester.js';

const NAMED = { alias: 'alias', blocked: 'blocked', metadata: 'metadata' };
const SETTINGS = [...Object.keys(NAMED), ...LIMITING];
const MOST = 1_000;

/** LiteLLM's `/customer/*` routes: the end users named in requests. */
export class CustomerApi {
  constructor(private readonly directory: DirectoryService) {}

  async create(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      requester.checkMaster();
      const fields = checkBody(body, [...SETTINGS, 'user_id']);
      const id = textIn(fields, 'user_id');
      return this.row(await this.directory.create('customers', { id, ...settingsOf(changesOf(fields, {})) }, requester.by));
    });
  }

  async update(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      requester.checkMaster();
      const { user_id, ...fields } = checkBody(body, [...SETTINGS, 'user_id']);
      const id = textIn({ user_id }, 'user_id');
      const updated = await this.directory.update('customers', id, (before) => changesOf(fields, before), requester.by);
      return this.row(existing(updated, 'customer', 'user_id'));
    });
  }

  async info(query: unknown, requester: Requester): Promise<Fields> {
    return answering(query, 'end_user_id', async () => {
      requester.checkMaster();
      const id = textIn(checkBody(query, ['end_user_id']), 'end_user_id');
      return this.row(existing(await this.directory.find('customers', id), 'customer', 'end_user_id'));
    });
  }

  async list(query: unknown, requester: Requester): Promise<readonly Fields[]> {
    return answering(query, 'user_id', async () => {
      requester.checkMaster();
      checkBody(query, []);
      const { records } = await this.directory.list('customers', { limit: MOST });
      return Promise.all(records.map((customer) => this.row(customer)));
    });
  }

  /** Deletes all customers, or none if one does not exist. */
  async delete(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      requester.checkMaster();
      const ids = idsIn(checkBody(body, ['user_ids']), 'user_ids');
      for (const id of ids) existing(await this.directory.find('customers', id), 'customer', 'user_ids');
      for (const id of ids) await this.directory.delete('customers', id, requester.by);
      return { deleted_customers: ids.length, message: `Successfully deleted customers with ids: ${ids.join(', ')}` };
    });
  }

  /** Creates missing customers, so that they can be blocked before their first request. */
  async block(body: unknown, blocked: boolean, requester: Requester): Promise<Fields> {
    return answering(body, 'user_id', async () => {
      requester.checkMaster();
      const rows: Fields[] = [];
      for (const id of idsIn(checkBody(body, ['user_ids']), 'user_ids'))
        rows.push(await this.row(await this.blockOne(id, blocked, requester)));
      return { [blocked ? 'blocked_users' : 'unblocked_users']: rows };
    });
  }

  private async blockOne(id: string, blocked: boolean, { by }: Requester): Promise<CustomerRecord> {
    const updated = await this.directory.update('customers', id, { blocked }, by);
    if (updated !== undefined) return updated;
    if (!blocked) throw new InvalidArgumentError('user_ids', id, 'must be ids of existing end users');
    return this.directory.create('customers', { id, blocked }, by);
  }

  private async row(customer: CustomerRecord): Promise<Fields> {
    const { spend, ...limits } = limitedFieldsOf(
      await withSharedLimits(this.directory, customer),
      await this.directory.spendingOf('customers', customer),
    );
    return {
      user_id: customer.id,
      alias: customer.alias ?? null,
      blocked: customer.blocked ?? false,
      spend,
      metadata: customer.metadata ?? {},
      allowed_model_region: null,
      default_model: null,
      budget_id: limits.budget_id,
      litellm_budget_table: limits,
    };
  }
}

function changesOf(fields: Fields, before: Partial<CustomerRecord>): DirectoryChanges<'customers'> {
  return { ...renamed(fields, NAMED), ...limitChangesOf(fields, before) };
}
