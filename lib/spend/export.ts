import { usdText } from '../common/nano-usd.js';
import type { SpendCall } from './spend-queries.js';

export const EXPORT_FORMATS = ['csv', 'json', 'ndjson'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Media types of the formats. */
export const EXPORT_TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8',
  json: 'application/json; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

type Value = string | number | boolean | null;

/** Columns of an export, in order. */
const COLUMNS: readonly (readonly [name: string, value: (call: SpendCall) => Value])[] = [
  ['id', ({ id }) => id],
  ['started_at', ({ startedAt }) => startedAt.toISOString()],
  ['duration_ms', ({ durationMs }) => durationMs],
  ['time_to_first_token_ms', ({ timeToFirstTokenMs }) => timeToFirstTokenMs],
  ['operation', ({ operation }) => operation],
  ['stream', ({ stream }) => stream],
  ['requested_model', ({ requestedModel }) => requestedModel],
  ['model_group', ({ modelGroup }) => modelGroup],
  ['deployment_id', ({ deploymentId }) => deploymentId],
  ['provider', ({ provider }) => provider],
  ['model', ({ model }) => model],
  ['key_id', ({ key }) => key],
  ['key_alias', ({ keyAlias }) => keyAlias],
  ['user_id', ({ user }) => user],
  ['team_id', ({ team }) => team],
  ['organization_id', ({ organization }) => organization],
  ['end_user', ({ endUser }) => endUser],
  ['tags', ({ tags }) => tags.join(' ')],
  ['session_id', ({ sessionId }) => sessionId],
  ['request_id', ({ requestId }) => requestId],
  ['ip', ({ ip }) => ip],
  ['status', ({ status }) => status],
  ['error_kind', ({ errorKind }) => errorKind],
  ['error_code', ({ errorCode }) => errorCode],
  ['http_status', ({ httpStatus }) => httpStatus],
  ['prompt_tokens', ({ promptTokens }) => promptTokens],
  ['completion_tokens', ({ completionTokens }) => completionTokens],
  ['cache_read_tokens', ({ cacheReadTokens }) => cacheReadTokens],
  ['cache_write_tokens', ({ cacheWriteTokens }) => cacheWriteTokens],
  ['reasoning_tokens', ({ reasoningTokens }) => reasoningTokens],
  ['usd', ({ nanoUsd }) => (nanoUsd === null ? null : usdText(nanoUsd))],
  ['nano_usd', ({ nanoUsd }) => nanoUsd],
  ['nano_usd_input', ({ costInput }) => costInput],
  ['nano_usd_output', ({ costOutput }) => costOutput],
  ['nano_usd_cache_read', ({ costCacheRead }) => costCacheRead],
  ['nano_usd_cache_write', ({ costCacheWrite }) => costCacheWrite],
  ['nano_usd_other', ({ costOther }) => costOther],
  ['nano_usd_saved', ({ savedNanoUsd }) => savedNanoUsd],
  ['cache_status', ({ cacheStatus }) => cacheStatus],
  ['is_estimated', ({ isEstimated }) => isEstimated],
  ['attempts', ({ attempts }) => attempts],
];

/**
 * Text that a spreadsheet would run as a formula, also after spaces and with full-width characters.
 */
const FORMULA = /^\s*[=+\-@\t\r＝＋－＠]/;
const QUOTED = /[",\r\n]/;

/** Formats a CSV cell (RFC 4180) that no spreadsheet runs as a formula. */
export function csvCell(value: Value): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Yields the text of an export, page by page. */
export async function* exportText(pages: AsyncIterable<readonly SpendCall[]>, format: ExportFormat): AsyncGenerator<string> {
  if (format === 'csv') yield `${COLUMNS.map(([name]) => name).join(',')}\r\n`;
  if (format === 'json') yield '[';
  let isFirst = true;
  for await (const calls of pages) {
    const lines = calls.map((call) => (format === 'csv' ? csvLine(call) : JSON.stringify(fieldsOf(call))));
    if (format === 'csv') yield lines.join('');
    else if (format === 'ndjson') yield `${lines.join('\n')}\n`;
    else yield `${isFirst ? '' : ','}\n${lines.join(',\n')}`;
    isFirst = false;
  }
  if (format === 'json') yield '\n]\n';
}

function csvLine(call: SpendCall): string {
  return `${COLUMNS.map(([, value]) => csvCell(value(call))).join(',')}\r\n`;
}

/** All columns, with `tags` as a list and `metadata` as an object. */
function fieldsOf(call: SpendCall): object {
  const fields = COLUMNS.map(([name, value]) => [name, value(call)]);
  return { ...(Object.fromEntries(fields) as object), tags: call.tags, metadata: call.metadata };
}
