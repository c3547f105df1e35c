import type { TestDatabase } from './postgres.js';

/** A call as the spend log writes it; absent fields have usual values. */
export interface SpendRowFields {
  readonly id: string;
  /** In ms since 1970. */
  readonly started_at: number;
  readonly model?: string;
  readonly model_group?: string;
  readonly upstream_model?: string;
  readonly provider?: string;
  readonly operation?: string;
  readonly key_id?: string;
  readonly key_alias?: string;
  readonly user_id?: string;
  readonly team_id?: string;
  readonly end_user?: string;
  readonly organization_id?: string;
  readonly tags?: readonly string[];
  readonly session_id?: string;
  readonly request_id?: string;
  readonly status?: string;
  readonly error_code?: string;
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly nano_usd?: number | null;
  readonly saved_nano_usd?: number;
  readonly cache_status?: string;
  readonly duration_ms?: number;
  readonly request?: unknown;
  readonly answer?: unknown;
  readonly attempts?: readonly object[];
}

const DEFAULTS = {
  duration_ms: 100,
  operation: 'chat',
  stream: false,
  model: 'gpt',
  model_group: 'gpt',
  deployment_id: 'd1',
  provider: 'openai',
  upstream_model: 'gpt-4o',
  status: 'success',
  prompt_tokens: 10,
  completion_tokens: 5,
  nano_usd: 1_000,
  process_id: 'test',
  metadata: {},
};

/** Writes calls and the sums by day, as the spend log does. */
export async function writeSpend(database: TestDatabase, rows: readonly SpendRowFields[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 1_000) {
    const batch = rows
      .slice(at, at + 1_000)
      .map((row) => ({ ...DEFAULTS, cost_input: row.nano_usd ?? DEFAULTS.nano_usd, attempts: [], ...row }));
    await database.query('SELECT fast_litellm.write_calls($1::text::jsonb)', [JSON.stringify(batch)]);
  }
}
