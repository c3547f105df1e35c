import { HttpException } from '@nestjs/common';
import { FastLiteLLMError, InvalidArgumentError, InvalidConfigurationError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { LARGEST_USD } from '../../common/nano-usd.js';
import { checkNumber, checkOneOf, checkString, refuseArgument } from '../../common/options.js';
import { checkStorable } from '../../common/storable-text.js';
import { visibleText } from '../../common/visible-text.js';
import type { Principal } from '../../http/principal.js';
import type { AuditActor } from '../../common/audit-log.js';
import type { ApiKeyRecord } from '../api-key-record.js';
import type { ApiKeyPage, ApiKeyStatus } from '../api-key-store.js';
import { LAST_PAGE, wholeNumber } from './audit-api.js';
import type { ApiKeyChanges, ApiKeyService, NewApiKey } from '../api-keys.service.js';
import { changesOf, checkFields, checkKeyFields, durationMs, namedKey, withFieldNames, type KeyFields } from './key-fields.js';
import { changedKeyRowOf, keyRowOf } from './key-rows.js';

type KeyName = Pick<ApiKeyRecord, 'publicId' | 'alias'>;

const LIST_FIELDS = ['page', 'size', 'user_id', 'team_id', 'key_alias', 'key_hash', 'status', 'return_full_object'];
/** LiteLLM's fields that widen the list of a user: the master key sees all keys. */
const LIST_FIELDS_OF_USERS = ['include_team_keys', 'include_created_by_keys'];
const LIST_ORDER = { sort_by: 'created_at', sort_order: 'desc' };
const STATUSES: readonly unknown[] = ['active', 'expired', 'revoked'];
const DEFAULT_PAGE_SIZE = 10;
const LARGEST_PAGE = 100;
const MOST_DELETED = 1_000;

/** LiteLLM's `/key/*` routes, with its fields. Errors are in OpenAI's format. */
export class KeyApi {
  /** @param log receives a line for each change of a key, without the key */
  constructor(
    private readonly keys: ApiKeyService,
    private readonly log: Pick<LogSink, 'log'>,
  ) {}

  /** `key`: one that clients have already. */
  async generate(body: unknown, by?: AuditActor): Promise<KeyFields> {
    return this.answering(body, async () => {
      const { key, ...fields } = checkKeyFields(body, ['key']);
      const changes = Object.entries(changesOf(fields, {}, Date.now()));
      const settings: object = Object.fromEntries(changes.filter(([, value]) => value !== null));
      const given = key === undefined || key === null ? undefined : checkString('key', key, refuseArgument);
      const created = await this.keys.create(settings, given, by);
      this.changed(created.record, 'created');
      return this.withSecret(created);
    });
  }

  async update(body: unknown, by?: AuditActor): Promise<KeyFields> {
    return this.answering(body, async () => {
      const { key, ...fields } = checkKeyFields(body, ['key']);
      const before = key === undefined || key === null ? await this.byAlias(fields.key_alias) : await this.named('key', key);
      const changes = (current: ApiKeyRecord): ApiKeyChanges => changesOf(fields, current, Date.now());
      const record = existing(await this.keys.update(before.publicId, changes, by));
      const wasBlocked = before.blocked === true;
      const isBlocked = record.blocked === true;
      this.changed(record, wasBlocked === isBlocked ? 'updated' : isBlocked ? 'blocked' : 'unblocked');
      return changedKeyRowOf(this.keys, record);
    });
  }

  /** `grace_period`: how long the former key is still valid. Default: not at all. */
  async regenerate(body: unknown, by?: AuditActor, named?: string): Promise<KeyFields> {
    return this.answering(body, async () => {
      const { key = named, grace_period: grace, ...fields } = checkKeyFields(body, ['key', 'grace_period']);
      const before = await this.named('key', key ?? named);
      const graceMs = grace === undefined || grace === null || grace === '' ? 0 : durationMs('grace_period', grace);
      const changes = (current: ApiKeyRecord): ApiKeyChanges => changesOf(fields, current, Date.now());
      const rotated = (await this.keys.rotate(before.publicId, graceMs, changes, by)) ?? notFound();
      this.changed(rotated.record, 'rotated');
      return this.withSecret(rotated);
    });
  }

  async block(body: unknown, blocked: boolean, by?: AuditActor): Promise<KeyFields> {
    return this.answering(body, async () => {
      const { publicId } = await this.named('key', checkFields(body, ['key']).key);
      const record = existing(await this.keys.update(publicId, { blocked }, by));
      this.changed(record, blocked ? 'blocked' : 'unblocked');
      return changedKeyRowOf(this.keys, record);
    });
  }

  /** Deletes all of them or, where one is unknown, none. */
  async delete(body: unknown, by?: AuditActor): Promise<KeyFields> {
    return this.answering(body, async () => {
      const { keys, key_aliases: aliases } = checkFields(body, ['keys', 'key_aliases']);
      const given = keys ?? aliases;
      if (!Array.isArray(given) || given.length === 0 || given.length > MOST_DELETED)
        throw new InvalidArgumentError('keys', given, `must be an array of 1 to ${MOST_DELETED} keys, unless key_aliases is set`);
      const found: KeyName[] = [];
      for (const [index, entry] of (given as readonly unknown[]).entries()) {
        const byName = keys === undefined || keys === null;
        found.push(byName ? await this.byAlias(entry) : await this.removable(`keys[${index}]`, entry));
      }
      for (const key of found) if (await this.keys.delete(key.publicId, by)) this.changed(key, 'deleted');
      return { deleted_keys: found.map(({ publicId }) => publicId) };
    });
  }

  /** A key reads only what concerns itself. */
  async info(query: unknown, principal: Principal): Promise<KeyFields> {
    return this.answering(query, async () => {
      const { key = principal.keyId } = checkFields(query, ['key']);
      if (key === undefined) throw new InvalidArgumentError('key', undefined, 'must be set, because the master key has no record');
      const publicId = namedKey('key', key);
      const record = principal.isAdmin || publicId === principal.keyId ? await this.found(publicId) : undefined;
      return { key: publicId, info: await keyRowOf(this.keys, existing(record)) };
    });
  }

  async list(query: unknown): Promise<KeyFields> {
    return this.answering(query, async () => {
      const fields = checkFields(query, [...LIST_FIELDS, ...LIST_FIELDS_OF_USERS, ...Object.keys(LIST_ORDER)]);
      for (const [name, only] of Object.entries(LIST_ORDER))
        if (fields[name] !== undefined) checkOneOf(name, fields[name], [only], refuseArgument);
      const page = wholeNumber('page', fields.page, 1, LAST_PAGE);
      const size = wholeNumber('size', fields.size, DEFAULT_PAGE_SIZE, LARGEST_PAGE);
      const { records: shown, total } = await this.matching(fields, size, (page - 1) * size);
      const isFull = fields.return_full_object === 'true' || fields.return_full_object === true;
      return {
        keys: isFull ? await Promise.all(shown.map((record) => keyRowOf(this.keys, record))) : shown.map(({ publicId }) => publicId),
        total_count: total,
        current_page: page,
        total_pages: Math.ceil(total / size),
      };
    });
  }

  async resetSpend(named: string, body: unknown, by?: AuditActor): Promise<KeyFields> {
    return this.answering(body, async () => {
      const usd = checkNumber('reset_to', checkFields(body, ['reset_to']).reset_to, { min: 0, max: LARGEST_USD }, refuseArgument);
      const record = await this.named('key', named);
      const { spend, max_budget, budget_reset_at } = await keyRowOf(this.keys, record);
      await this.keys.resetSpend(record, usd, by);
      this.changed(record, 'spend reset');
      return { key_hash: record.publicId, spend: usd, previous_spend: spend, max_budget, budget_reset_at };
    });
  }

  /** Settlements for processes that died, of all limits, not only of keys. */
  async crashSettlements(query: unknown): Promise<KeyFields> {
    return this.answering(query, async () => {
      const { size, cursor } = checkFields(query, ['size', 'cursor']);
      const at = cursor === undefined ? undefined : checkString('cursor', cursor, refuseArgument);
      const page = await this.keys.limiter.listCrashSettlements({ count: wholeNumber('size', size, LARGEST_PAGE, 1_000), cursor: at });
      const settlements = page.settlements.map(({ limit, key, id, heldUsd, chargedUsd, takenAt }) => {
        return { id, limit, limit_key: key, held: heldUsd, charged: chargedUsd, taken_at: takenAt.toISOString() };
      });
      return { settlements, next_cursor: page.cursor ?? null };
    });
  }

  async refundCrash(body: unknown, by?: AuditActor): Promise<KeyFields> {
    return this.answering(body, async () => {
      const { id, limit, limit_key, cost } = checkFields(body, ['id', 'limit', 'limit_key', 'cost']);
      const usd = checkNumber('cost', cost, { min: 0, max: LARGEST_USD }, refuseArgument);
      const text = (name: string, value: unknown): string => checkString(name, value, refuseArgument);
      const choice = { id: text('id', id), limit: text('limit', limit), key: text('limit_key', limit_key) };
      const refunded = await this.keys.limiter.refundCrashSettlement(choice, usd);
      if (refunded === undefined)
        throw refusal(404, 'The settlement does not exist or was already corrected.', 'crash_settlement_not_found');
      const change = { before: { ...choice, chargedUsd: refunded.chargedUsd }, after: { ...choice, chargedUsd: usd } };
      if (by !== undefined)
        await this.keys.auditLog?.record({ ...by, action: 'refunded', entity: 'crash_settlements', entityId: choice.id, ...change });
      return { id: choice.id, cost: usd, previous_cost: refunded.chargedUsd };
    });
  }

  /** The newest first. */
  private async matching(fields: KeyFields, limit: number, offset: number): Promise<ApiKeyPage> {
    const { user_id: user, team_id: team, key_alias: alias, key_hash: hash, status } = fields;
    if (status !== undefined && !STATUSES.includes(status))
      throw new InvalidArgumentError('status', status, 'must be active, expired or revoked');
    const publicId = hash === undefined ? undefined : namedKey('key_hash', hash);
    const text = (name: string, value: unknown): string | undefined => (value === undefined ? undefined : checkStorable(name, value));
    const named = { user: text('user_id', user), team: text('team_id', team), alias: text('key_alias', alias) };
    return this.keys.search({ ...named, publicId, status: status as ApiKeyStatus, limit, offset });
  }

  private async withSecret({ key, record }: NewApiKey): Promise<KeyFields> {
    return { key, ...(await changedKeyRowOf(this.keys, record)) };
  }

  private async named(name: string, value: unknown): Promise<ApiKeyRecord> {
    return existing(await this.found(namedKey(name, value)));
  }

  private async found(publicId: string): Promise<ApiKeyRecord | undefined> {
    try {
      return await this.keys.find(publicId);
    } catch (error) {
      if (!(error instanceof InvalidConfigurationError)) throw error;
      throw refusal(409, `${error.message}; remove the key with /key/delete`, 'api_key_unreadable');
    }
  }

  /** A record that cannot be read can be removed. */
  private async removable(name: string, value: unknown): Promise<KeyName> {
    const publicId = namedKey(name, value);
    try {
      return existing(await this.keys.find(publicId));
    } catch (error) {
      if (error instanceof InvalidConfigurationError) return { publicId };
      throw error;
    }
  }

  private async byAlias(alias: unknown): Promise<ApiKeyRecord> {
    return existing(await this.keys.findByAlias(checkStorable('key_alias', alias)));
  }

  private changed({ publicId, alias }: KeyName, event: string): void {
    const named = alias === undefined ? '' : `, alias ${visibleText(alias)}`;
    this.log.log(`API keys: key ${publicId} ${event} (by the master key${named})`);
  }

  /** Converts errors of the service into errors of the API. */
  private async answering(fields: unknown, work: () => Promise<KeyFields>): Promise<KeyFields> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FastLiteLLMError && error.code === 'API_KEY_STORE_MISSING')
        throw refusal(409, error.message, 'api_key_store_missing');
      if (error instanceof FastLiteLLMError && error.code === 'STORE_UNAVAILABLE')
        throw refusal(503, error.message, 'rate_limit_store_unavailable');
      if (error instanceof FastLiteLLMError && error.code === 'API_KEY_CONFLICT') throw refusal(409, error.message, 'api_key_conflict');
      throw withFieldNames(error, fields as KeyFields);
    }
  }
}

function existing(record: ApiKeyRecord | undefined): ApiKeyRecord {
  return record ?? notFound();
}

function notFound(): never {
  throw refusal(404, 'The key does not exist.', 'api_key_not_found');
}

function refusal(status: number, message: string, code: string): HttpException {
  const type = status === 503 ? 'server_error' : 'invalid_request_error';
  return new HttpException({ error: { message, type, param: code === 'api_key_not_found' ? 'key' : null, code } }, status);
}
