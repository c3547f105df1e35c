import type { AuditLog, RecordedAuditEntry } from '../../common/audit-log.js';
import { HttpException } from '@nestjs/common';
import { InvalidArgumentError } from '../../common/errors.js';
import { checkInteger, refuseArgument } from '../../common/options.js';
import { checkStorable } from '../../common/storable-text.js';
import { isPublicId } from '../api-key.js';
import { checkFields, type KeyFields } from './key-fields.js';

const FIELDS = 'page page_size changed_by changed_by_api_key action table_name object_id start_date end_date sort_by sort_order'.split(' ');
const DEFAULT_PAGE_SIZE = 10;
const LARGEST_PAGE = 100;
/** Its rows can be counted in an `integer` of PostgreSQL. */
export const LAST_PAGE = 10_000_000;
const DAY_MS = 86_400_000;
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$/;

/** LiteLLM's names of tables, by kind of changed object. */
const TABLES: Readonly<Record<string, string>> = {
  keys: 'LiteLLM_VerificationToken',
  teams: 'LiteLLM_TeamTable',
  users: 'LiteLLM_UserTable',
  organizations: 'LiteLLM_OrganizationTable',
  budgets: 'LiteLLM_BudgetTable',
  customers: 'LiteLLM_EndUserTable',
  models: 'LiteLLM_ProxyModelTable',
};

/** A page of the audit log, in LiteLLM's fields. Times without a zone are UTC. */
export async function listAuditLog(log: AuditLog, query: unknown): Promise<KeyFields> {
  const fields = checkFields(query, FIELDS);
  const page = wholeNumber('page', fields.page, 1, LAST_PAGE);
  const size = wholeNumber('page_size', fields.page_size, DEFAULT_PAGE_SIZE, LARGEST_PAGE);
  const { sort_by: sortBy = 'updated_at', sort_order: order = 'desc' } = fields;
  if (sortBy !== 'updated_at') throw new InvalidArgumentError('sort_by', sortBy, 'must be updated_at');
  if (order !== 'asc' && order !== 'desc') throw new InvalidArgumentError('sort_order', order, 'must be asc or desc');
  const table = textOf(fields, 'table_name');
  const { entries, total } = await log.search({
    actor: textOf(fields, 'changed_by') ?? textOf(fields, 'changed_by_api_key'),
    action: textOf(fields, 'action'),
    entity: Object.keys(TABLES).find((entity) => TABLES[entity] === table) ?? table,
    entityId: textOf(fields, 'object_id'),
    since: timeOf(fields, 'start_date', 0),
    // A date without a time means the whole day.
    until: timeOf(fields, 'end_date', DAY_MS),
    oldestFirst: order === 'asc',
    limit: size,
    offset: (page - 1) * size,
  });
  return { audit_logs: entries.map(fieldsOf), total, page, page_size: size, total_pages: Math.ceil(total / size) };
}

/** One entry, in LiteLLM's fields. @throws HttpException (404) */
export async function auditEntryById(log: AuditLog, id: string): Promise<KeyFields> {
  const { entries } = UUID.test(id) ? await log.search({ id, limit: 1 }) : { entries: [] };
  const [entry] = entries;
  // A log that does not support this condition returns other entries.
  if (entry?.id === id.toLowerCase()) return fieldsOf(entry);
  const error = {
    message: 'The audit log has no entry with this id.',
    type: 'invalid_request_error',
    param: 'id',
    code: 'audit_entry_not_found',
  };
  throw new HttpException({ error }, 404);
}

function fieldsOf({ id, at, actor, action, entity, entityId, before, after, address, requestId }: RecordedAuditEntry): KeyFields {
  return {
    id,
    updated_at: at.toISOString(),
    changed_by: actor,
    changed_by_api_key: isPublicId(actor) || actor === 'master' ? actor : null,
    action,
    table_name: Object.hasOwn(TABLES, entity) ? TABLES[entity] : entity,
    object_id: entityId,
    before_value: before ?? null,
    updated_values: after ?? null,
    address: address ?? null,
    request_id: requestId ?? null,
  };
}

function textOf(fields: KeyFields, name: string): string | undefined {
  const { [name]: value } = fields;
  return value === undefined || value === '' ? undefined : checkStorable(name, value);
}

function timeOf(fields: KeyFields, name: string, ofDayMs: number): Date | undefined {
  const text = textOf(fields, name);
  if (text === undefined) return undefined;
  const zone = TIME.exec(text);
  const isDay = DATE.test(text);
  const ms = isDay ? Date.parse(text) + ofDayMs : zone ? Date.parse(text.replace(' ', 'T') + (zone[1] === undefined ? 'Z' : '')) : NaN;
  if (!Number.isNaN(ms)) return new Date(ms);
  throw new InvalidArgumentError(name, text, 'must be a date such as 2027-01-31 or 2027-01-31T08:00:00Z');
}

/** Of a query, so a text. */
export function wholeNumber(name: string, value: unknown, fallback: number, max: number): number {
  if (value === undefined) return fallback;
  return checkInteger(name, typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value, { min: 1, max }, refuseArgument);
}
