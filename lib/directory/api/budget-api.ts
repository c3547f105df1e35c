import { randomUUID } from 'node:crypto';
import { LIMIT_FIELDS, limitChangesOf, MODEL_LIMIT_FIELDS } from '../../keys/api/limit-fields.js';
import type { BudgetRecord } from '../directory-records.js';
import type { DirectoryService } from '../directory.service.js';
import {
  answering,
  checkBody,
  existing,
  idsIn,
  limitedFieldsOf,
  optionalTextIn,
  settingsOf,
  textIn,
  type Fields,
} from './directory-fields.js';
import type { Requester } from './requester.js';

const SETTINGS = [...LIMIT_FIELDS, ...MODEL_LIMIT_FIELDS, 'soft_budget'];
const MOST = 1_000;

/** LiteLLM's `/budget/*` routes: limits that keys, teams and others share. */
export class BudgetApi {
  constructor(private readonly directory: DirectoryService) {}

  async create(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'budget_id', async () => {
      requester.checkMaster();
      const fields = checkBody(body, [...SETTINGS, 'budget_id']);
      const id = optionalTextIn(fields, 'budget_id') ?? randomUUID();
      const settings = settingsOf(limitChangesOf({ ...fields, budget_id: undefined }, {}));
      return rowOf(await this.directory.create('budgets', { id, ...without(settings, ['budget']) }, requester.by));
    });
  }

  async update(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'budget_id', async () => {
      requester.checkMaster();
      const { budget_id, ...fields } = checkBody(body, [...SETTINGS, 'budget_id']);
      const id = textIn({ budget_id }, 'budget_id');
      const updated = await this.directory.update('budgets', id, (before) => limitChangesOf(fields, before), requester.by);
      return rowOf(existing(updated, 'budget', 'budget_id'));
    });
  }

  async info(body: unknown, requester: Requester): Promise<readonly Fields[]> {
    return answering(body, 'budget_id', async () => {
      requester.checkMaster();
      const ids = idsIn(checkBody(body, ['budgets']), 'budgets');
      return (await this.directory.list('budgets', { ids, limit: MOST })).records.map(rowOf);
    });
  }

  async list(query: unknown, requester: Requester): Promise<readonly Fields[]> {
    return answering(query, 'budget_id', async () => {
      requester.checkMaster();
      checkBody(query, []);
      return (await this.directory.list('budgets', { limit: MOST })).records.map(rowOf);
    });
  }

  /** Rejected while the budget is in use. */
  async delete(body: unknown, requester: Requester): Promise<Fields> {
    return answering(body, 'id', async () => {
      requester.checkMaster();
      const id = textIn(checkBody(body, ['id']), 'id');
      const budget = existing(await this.directory.find('budgets', id), 'budget', 'id');
      await this.directory.delete('budgets', id, requester.by);
      return rowOf(budget);
    });
  }
}

function rowOf(budget: BudgetRecord): Fields {
  const fields = without(limitedFieldsOf(budget), ['spend', 'budget_id', 'budget_reset_at']);
  return { budget_id: budget.id, ...fields };
}

function without<T extends object, K extends string>(fields: T, names: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name as K))) as Omit<T, K>;
}
