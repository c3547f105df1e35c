import { definedFields, nonEmptyString } from '../../common/objects.js';
import { refuseArgument } from '../../common/options.js';
import { isApiKey, publicIdOfHash, hashApiKey } from '../../keys/api-key.js';
import { checkApiKeyRecord, type ApiKeyRecord } from '../../keys/api-key-record.js';
import type { LiteLLMRow } from '../../postgres/litellm-source.js';
import { LIMIT_COLUMNS, limitsOf, modelLimitsOf, type LimitContext } from './imported-limits.js';
import { dateOf, numberOf, objectOf, textsOf } from './litellm-values.js';
import { versionOf } from './imported-version.js';
import { countUnsupported, keptMetadata } from './unsupported-fields.js';

const SHA256 = /^[0-9a-f]{64}$/;
/** Keys of sessions of LiteLLM's admin UI, which last a day. */
export const UI_TEAM = 'litellm-dashboard';
/**
 * The user of LiteLLM's administrator. Keys generated with the master key share it, and could
 * read each other's spend.
 */
const MASTER_USER = 'default_user_id';

const CARRIED = new Set([
  ...LIMIT_COLUMNS,
  ...`token key_alias expires models aliases user_id team_id organization_id budget_id metadata blocked model_max_budget
  allowed_routes`.split(/\s+/),
]);
const CARRIED_METADATA = new Set('tags model_rpm_limit model_tpm_limit temp_budget_increase temp_budget_expiry'.split(' '));

/**
 * The hash of a key from its row. Old versions of LiteLLM stored some keys as they are.
 * @throws Error for a token that LiteLLM would never accept either.
 */
export function hashOfToken(token: unknown): string {
  const text = String(token);
  if (SHA256.test(text)) return text;
  if (isApiKey(text)) return hashApiKey(text);
  throw new Error('token: must be a SHA-256 hash or a key that starts with sk- (LiteLLM does not accept this key either)');
}

/** The public id of a row's key, or a text for reports that shows nothing of a key. */
export function shownToken(token: unknown): string {
  try {
    return publicIdOfHash(hashOfToken(token));
  } catch {
    return '(unusable token)';
  }
}

/** @throws Error naming the field that this package cannot take. */
export function importedKey(row: LiteLLMRow, context: LimitContext): ApiKeyRecord {
  const { findings } = context;
  const sha256 = hashOfToken(row.token);
  const metadata = objectOf(row.metadata);
  const { limits } = limitsOf(row, context);
  const models = textsOf(row.models);
  const aliases = objectOf(row.aliases);
  const raisedUsd = numberOf(metadata.temp_budget_increase);
  const routes = textsOf(row.allowed_routes);
  const tags = textsOf(metadata.tags);
  const settings = {
    alias: nonEmptyString(row.key_alias),
    user: row.user_id === MASTER_USER ? undefined : nonEmptyString(row.user_id),
    team: nonEmptyString(row.team_id),
    organization: nonEmptyString(row.organization_id),
    budget: nonEmptyString(row.budget_id),
    models: models.length === 0 ? undefined : models,
    limits,
    modelLimits: modelLimitsOf(row, metadata, context),
    raisedUsd,
    raisedUntil: raisedUsd === undefined ? undefined : dateOf(metadata.temp_budget_expiry),
    allowedRoutes: routes.length === 0 ? undefined : routes,
    modelAliases: Object.keys(aliases).length === 0 ? undefined : aliases,
    tags: tags.length === 0 ? undefined : tags,
    expiresAt: dateOf(row.expires),
    blocked: row.blocked === true ? true : undefined,
    metadata: keptMetadata(findings, context.table, metadata, CARRIED_METADATA),
  };
  countUnsupported(findings, context.table, row, CARRIED);
  const record = { publicId: publicIdOfHash(sha256), hashes: [{ sha256 }], ...versionOf(row) };
  return checkApiKeyRecord('', { ...record, ...definedFields(settings) }, refuseArgument);
}
