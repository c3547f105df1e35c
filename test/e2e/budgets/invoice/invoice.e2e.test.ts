import { writeFileSync } from 'node:fs';
import type { TestProvider } from 'nestjs-fast-litellm/testing';
import { publicIdOf } from '../../../../lib/keys/api-key.js';
import { KEY_LIMIT_NAME } from '../../../../lib/keys/api-key-record.js';
import { isWhole, usuallyOrLong } from '../../../support/long.js';
import { openLimiter } from '../../../support/redis-limiter.js';
import { hasRedis, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/until.js';
import { GatewayProcess } from '../gateway-process.js';
import type { GatewayTask } from '../gateway.child.js';
import { Invoice, INPUT_USD, invoicingProvider, OUTPUT_USD, textOf } from './invoicing-provider.js';
import { KINDS, type CallKind } from './kinds.js';

const MASTER = 'sk-the-master-key-0123456789';
const CALLS = usuallyOrLong(200, 2_000);
const OUTAGE_CALLS = usuallyOrLong(40, 200);
const KILLS = usuallyOrLong(1, 3);
/** In flight in a process that is killed. */
const KILLED_CALLS = 8;
const PROCESSES = 3;
const AT_A_TIME = 18;
const LEAVES_AFTER_MS = 300;
const WAIT_MS = 60_000;
const LIMITS = { usdTotal: 10_000 };
/** Of the invoice: with fewer calls, chance is a larger part of those that are estimated. */
const MOST_OFF = isWhole ? { estimate: 0.01, drain: 0.003 } : { estimate: 0.05, drain: 0.05 };
/** Kinds whose charge is estimated: by the usual output, or by the text that arrived. */
const ESTIMATED: readonly CallKind[] = [
  'invalid_json',
  'cut_in_text',
  'process_killed',
  'client_left_stream',
  'client_left_whole',
  'timed_out',
];

const kinds = Object.keys(KINDS) as CallKind[];
const keyOf = (kind: CallKind): string => `sk-invoice-run-${kind}`;

interface Line {
  readonly kind: string;
  readonly calls: number;
  readonly invoice: number;
  readonly ledger: number;
}

/** Two decimals of a cent; the difference as a share of the invoice. */
function tableOf(lines: readonly Line[]): string {
  const rows = lines.map(({ kind, calls, invoice, ledger }) => {
    const off = invoice === 0 ? (ledger === 0 ? '0 %' : 'charged for nothing') : `${(((ledger - invoice) / invoice) * 100).toFixed(2)} %`;
    return `| \`${kind}\` | ${calls} | ${invoice.toFixed(6)} | ${ledger.toFixed(6)} | ${off} |`;
  });
  return ['| kind | calls | invoice USD | ledger USD | difference |', '| --- | ---: | ---: | ---: | ---: |', ...rows, ''].join('\n');
}

(hasRedis ? describe : describe.skip)('the ledger of three gateways beside the invoice of their providers', () => {
  it.each(['estimate', 'drain'] as const)(
    `differ as the guide says after ${CALLS} mixed calls, kills and an outage of Redis (onAbort: %s)`,
    async (onAbort) => {
      // Redis keeps what it has answered over its own kill.
      const server = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always');
      const invoice = new Invoice();
      const [openai, anthropic, gemini] = await Promise.all(
        (['openai', 'anthropic', 'gemini'] as const).map((protocol) => invoicingProvider(protocol, invoice)),
      );
      const prices = { input_cost_per_token: INPUT_USD, output_cost_per_token: OUTPUT_USD };
      const deploy = (provider: TestProvider, group: string, model: string, more: object = {}) =>
        provider.deployment(group, { model, ...prices, ...more });
      const task: GatewayTask = {
        redis: { url: server.url, timeoutMs: 2_000, onStoreError: 'local', slotTtlMs: 3_000 },
        masterKey: MASTER,
        limits: { requestsPerMinute: 1_000_000 },
        keys: kinds.map((kind) => ({ key: keyOf(kind), limits: LIMITS })),
        llmClient: { onAbort },
        router: {
          numRetries: 0,
          disableCooldowns: true,
          modelList: [
            deploy(openai, 'gpt-4o', 'openai/gpt-4o'),
            deploy(openai, 'hasty', 'openai/gpt-4o', { timeout: 1.5 }),
            deploy(anthropic, 'claude', 'anthropic/claude-sonnet-4-5'),
            deploy(gemini, 'gemini', 'gemini/gemini-2.5-flash'),
          ],
        },
      };
      const gateways = await Promise.all(Array.from({ length: PROCESSES }, () => GatewayProcess.start(task)));
      const limiter = openLimiter({ url: server.url, onStoreError: 'deny' });
      const made = new Map<CallKind, number>();
      const denied = new Map<CallKind, number>();

      const call = async (kind: CallKind, gateway: GatewayProcess): Promise<void> => {
        const { model = 'gpt-4o', path = '/v1/chat/completions', isStream = false, leaves } = KINDS[kind];
        // The same calls of a kind are made in each run, whatever their order.
        const of = made.get(kind) ?? 0;
        const number = kinds.indexOf(kind) * 10_000 + of;
        made.set(kind, of + 1);
        const prompt = `${kind} #${number} ${textOf(number + 1_000_000)}`;
        const asks =
          path === '/v1/responses'
            ? { input: prompt, max_output_tokens: 400 }
            : { messages: [{ role: 'user', content: prompt }], max_tokens: 400 };
        const leaving = new AbortController();
        const timer = leaves === 'early' ? setTimeout(() => leaving.abort(), LEAVES_AFTER_MS) : undefined;
        try {
          const answer = await gateway.ask(path, keyOf(kind), { model, stream: isStream, ...asks }, leaving.signal);
          if (answer.status === 429 || answer.status === 503) denied.set(kind, (denied.get(kind) ?? 0) + 1);
          if (leaves !== 'after_first_chunk') await answer.text();
          else {
            await answer.body?.getReader().read();
            leaving.abort();
          }
        } catch {
          // The client or the gateway has gone.
        } finally {
          clearTimeout(timer);
        }
      };
      const run = async (
        planned: readonly CallKind[],
        of: (place: number) => GatewayProcess,
        onDone?: (done: number) => Promise<void>,
      ): Promise<void> => {
        let [next, done] = [0, 0];
        const work = async (): Promise<void> => {
          while (next < planned.length) {
            const place = next++;
            await call(planned[place], of(place));
            await onDone?.(++done);
          }
        };
        await Promise.all(Array.from({ length: AT_A_TIME }, work));
      };
      const ledgerOf = async (kind: CallKind): Promise<{ spentUsd: number; heldUsd: number }> => {
        const key = `key:${publicIdOf(keyOf(kind))}`;
        return (await limiter.getBudgetsAsync(key, { limit: KEY_LIMIT_NAME, limits: LIMITS }))[0];
      };

      try {
        // By weight, in a mixed order that is the same in each run.
        const weights = kinds.flatMap((kind) => Array<CallKind>(KINDS[kind].weight).fill(kind));
        const planned = Array.from({ length: CALLS }, (_, i) => weights[(i * 37) % weights.length]);
        const part = Math.ceil(CALLS / (KILLS + 1));
        for (let kill = 0; kill <= KILLS; kill++) {
          // One process is killed while the others answer.
          const dying = (kill - 1) % PROCESSES;
          const calls = planned.slice(kill * part, (kill + 1) * part);
          const mixed = run(
            calls,
            (place) => gateways[kill === 0 ? place % PROCESSES : (dying + 1 + (place % (PROCESSES - 1))) % PROCESSES],
          );
          if (kill > 0) {
            const before = invoice.answered.get('process_killed') ?? 0;
            const inFlight = Array.from({ length: KILLED_CALLS }, () => call('process_killed', gateways[dying]));
            await until(() => (invoice.answered.get('process_killed') ?? 0) === before + KILLED_CALLS, WAIT_MS);
            await gateways[dying].kill();
            await Promise.all(inFlight);
            gateways[dying] = await GatewayProcess.start(task);
          }
          await mixed;
        }
        // Two beats, after which the last process has its part, too.
        await until(async () => (await server.ask((client) => client.zcard('fast-litellm:{all}processes'))) >= PROCESSES, WAIT_MS);
        await run(
          Array<CallKind>(OUTAGE_CALLS).fill('redis_outage'),
          (place) => gateways[place % PROCESSES],
          async (done) => {
            if (done === Math.floor(OUTAGE_CALLS / 4)) await server.kill();
            if (done === Math.floor((OUTAGE_CALLS * 3) / 4)) await server.start();
          },
        );
        await until(async () => {
          // Without budgets, as long as Redis cannot be asked.
          const ledgers: readonly ({ readonly heldUsd: number } | undefined)[] = await Promise.all(kinds.map(ledgerOf));
          return ledgers.every((ledger) => ledger?.heldUsd === 0);
        }, WAIT_MS);
        // What was spent without Redis is merged once each process has reached it again.
        for (const gateway of gateways) await until(async () => (await gateway.unmergedUsd()) === 0, WAIT_MS);
        await Promise.all(gateways.map((gateway) => gateway.end()));

        const lines: Line[] = [];
        for (const kind of kinds)
          lines.push({ kind, calls: made.get(kind) ?? 0, invoice: invoice.usd.get(kind) ?? 0, ledger: (await ledgerOf(kind)).spentUsd });
        const sum = (of: (line: Line) => number): number => lines.reduce((total, line) => total + of(line), 0);
        const total = {
          kind: 'total',
          calls: sum(({ calls }) => calls),
          invoice: sum((line) => line.invoice),
          ledger: sum((line) => line.ledger),
        };
        const table = tableOf([...lines, total]);
        if (process.env.INVOICE_TABLE !== undefined) writeFileSync(`${process.env.INVOICE_TABLE}.${onAbort}.md`, table);

        const off = (name: CallKind): number => {
          const { invoice: billed, ledger } = lines.find(({ kind }) => kind === name) as Line;
          return billed === 0 ? ledger : Math.abs(ledger / billed - 1);
        };
        // A failure shows the whole table.
        const shares = (names: readonly CallKind[]): object => ({ table, off: names.map((name) => [name, off(name) < 1e-5]) });
        const exact = kinds.filter((kind) => !ESTIMATED.includes(kind));
        expect(shares(exact)).toEqual({ table, off: exact.map((name) => [name, true]) });
        expect({ table, isNear: Math.abs(total.ledger / total.invoice - 1) < MOST_OFF[onAbort] }).toEqual({ table, isNear: true });
      } finally {
        await Promise.all(gateways.map((gateway) => gateway.kill()));
        await limiter.close();
        await Promise.all([openai, anthropic, gemini].map((provider) => provider.close()));
        await server.stop();
      }
    },
    600_000,
  );
});
