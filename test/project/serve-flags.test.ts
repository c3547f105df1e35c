import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FLAGS, VARIABLES_WITHOUT_EFFECT, withUnderscores } from '../../lib/cli/serve/serve-flags.environment.js';
import { root } from './sources.js';

const file = join(root, 'docs', 'serve.md');

/** A table in Prettier's format. */
function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const lineOf = (row: readonly string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [lineOf(head), lineOf(widths.map((width) => '-'.repeat(width))), ...rows.map(lineOf)].join('\n');
}

/** The page with its generated tables. */
function written(text: string): string {
  const rows = Object.entries(FLAGS).map(([name, { short, value, env, help, ignored, refused }]) => [
    [...(short === undefined ? [] : [`\`-${short}\``]), `\`--${name}${value === undefined ? '' : ` <${value}>`}\``].join(', '),
    env === undefined ? '' : `\`${env}\``,
    ignored === undefined ? (refused === undefined ? help : `refused: ${refused}`) : `no effect: ${ignored}`,
  ]);
  const tables = {
    flags: tableOf(['flag', 'variable', 'effect'], rows),
    variables: tableOf(
      ['variable', 'instead'],
      Object.entries(VARIABLES_WITHOUT_EFFECT).map(([name, reason]) => [`\`${name}\``, reason]),
    ),
  };
  for (const [name, table] of Object.entries(tables))
    text = text.replace(new RegExp(`<!-- serve:${name} -->\\n(?:\\n\\|[^]*?\\n(?=\\n))?`), () => `<!-- serve:${name} -->\n\n${table}\n`);
  return text;
}

describe('the flags of serve', () => {
  // To write them: `UPDATE_DOCS=1 npx jest test/project/serve-flags`.
  it('are the tables of the guide', () => {
    const current = readFileSync(file, 'utf8');
    const expected = written(current);
    if (process.env.UPDATE_DOCS === '1') writeFileSync(file, expected);
    else expect(current.split('\n')).toEqual(expected.split('\n'));
  });

  it('have those of LiteLLM 1.110.2', () => {
    const ofLiteLLM = `host port num_workers granian_threads api_base api_version model alias add_key headers save debug detailed_debug use_queue
      temperature max_tokens request_timeout drop_params add_function_to_prompt config max_budget telemetry log_config setup version health test
      test_async iam_token_db_auth azure_postgresql_auth num_requests run_gunicorn run_hypercorn run_granian ssl_keyfile_path ssl_certfile_path
      ciphers use_prisma_db_push local skip_server_startup validate_config check_migrations_against_existing_data keepalive_timeout
      max_request_header_size timeout_worker_healthcheck max_requests_before_restart max_requests_before_restart_jitter limit_concurrency
      enforce_prisma_migration_check use_v2_migration_resolver use_legacy_migration_resolver reload prometheus_metrics_port`;
    expect(ofLiteLLM.split(/\s+/).filter((name) => FLAGS[name] === undefined)).toEqual([]);
  });

  it('can be written with dashes', () => {
    expect(withUnderscores(['--num-workers=2', '-c', 'my-file.yaml', '--api-base', 'https://a-b.example'])).toEqual([
      '--num_workers=2',
      '-c',
      'my-file.yaml',
      '--api_base',
      'https://a-b.example',
    ]);
  });
});
