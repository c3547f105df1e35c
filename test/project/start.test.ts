import { reachedFrom } from './loaded-modules.js';
import { readSources } from './sources.js';

/** Parts that an app loads when it first uses them: each would cost every other app at its start. */
const LOADED_LATER: readonly string[] = [
  'lib/acceleration/acceleration.patches.ts',
  'lib/acceleration/libraries/',
  'lib/connection-pool/pool/dispatcher.ts',
  'lib/dashboard/pages/',
  'lib/dashboard/panels/',
  'lib/gateway/gateway.controllers.ts',
  'lib/gateway/in-process/',
  'lib/gateway/openapi/',
  'lib/queue/call-queue.ts',
  'lib/json-body/engine/typescript.ts',
  'lib/keys/api/key-api.controller.ts',
  'lib/keys/redis/key-connection.ts',
  'lib/apis/messages/messages.ts',
  'lib/calls/layers/compose.ts',
  'lib/providers/anthropic/',
  'lib/providers/endpoint/endpoint.ts',
  'lib/providers/endpoint/provider-table.environment.ts',
  'lib/rate-limit/engine/typescript.ts',
  'lib/rate-limit/redis/deciding-store.ts',
  'lib/router/config/config-yaml.ts',
  'lib/router/redis/state-exchange.ts',
  'lib/telemetry/call-histograms.ts',
  'lib/telemetry/call-spans.ts',
  'lib/token-counter/engine/typescript.ts',
  'lib/token-counter/tokenizers/tokenizer-json.ts',
];

describe('the start of an app', () => {
  const sources = readSources(['lib'], /(?<!\.test)\.ts$/);

  it('does not load what few apps need', () => {
    const reached = reachedFrom('lib/index.ts', sources);
    const early = [...reached].filter(([path]) => LOADED_LATER.some((later) => path.startsWith(later)));
    expect(early.map(([path, by]) => `${by} loads ${path}`)).toEqual([]);
    expect(reached.has('lib/rate-limit/rate-limit.service.ts')).toBe(true);
  });

  it('lists only parts that exist', () => {
    const paths = [...sources.keys()];
    expect(LOADED_LATER.filter((later) => !paths.some((path) => path.startsWith(later)))).toEqual([]);
  });
});
