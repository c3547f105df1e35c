import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidConfigurationError } from '../common/errors.js';
import { FEATURES, type FeatureFlagsOptions, type FeatureName } from './feature-flags.options.js';
import { FeatureFlagsService } from './feature-flags.service.js';

const folder = mkdtempSync(join(tmpdir(), 'flags-'));
const file = join(folder, 'flags.json');
afterAll(() => rmSync(folder, { recursive: true }));

const lines: string[] = [];
const say = (message: string) => void lines.push(message);
beforeEach(() => (lines.length = 0));

function boot(env: Record<string, string> = {}, options: FeatureFlagsOptions = {}) {
  const prefixed = Object.fromEntries(Object.entries(env).map(([name, value]) => [`FAST_LITELLM_${name}`, value]));
  return new FeatureFlagsService(options, { env: prefixed, logger: { log: say, warn: say, error: say } });
}

function bootWithFile(content: unknown, env: Record<string, string> = {}, options: FeatureFlagsOptions = {}) {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return boot({ FEATURE_CONFIG: file, ...env }, options);
}

const stateOf = (service: FeatureFlagsService, feature: FeatureName) => service.getFeatureStatus()[feature].state;

describe('the environment', () => {
  it.each([
    ['true', 'enabled'],
    ['enabled', 'enabled'],
    ['True', 'enabled'],
    ['false', 'disabled'],
    [' disabled ', 'disabled'],
    ['shadow', 'shadow'],
    ['canary:10', 'canary:10'],
    ['rollout:0', 'rollout:0'],
    ['rollout:100', 'rollout:100'],
    ['canary:0.25', 'canary:0.25'],
    ['canary:12.50', 'canary:12.5'],
  ])('understands RUST_ROUTING=%s', (value, state) => expect(stateOf(boot({ RUST_ROUTING: value }), 'rust_routing')).toBe(state));

  it.each([
    '',
    '1',
    'yes',
    'on',
    'canary',
    'canary:',
    'canary:-1',
    'canary:100.1',
    'canary:1e1',
    'canary:0x10',
    'canary:10%',
    'canary: 10',
    'rollout:NaN',
    'rollout:10:20',
    'gradual_rollout:10',
  ])('refuses RUST_ROUTING=%p, naming the variable', (value) => {
    expect(() => boot({ RUST_ROUTING: value })).toThrow(InvalidConfigurationError);
    expect(() => boot({ RUST_ROUTING: value })).toThrow(expect.objectContaining({ path: 'FAST_LITELLM_RUST_ROUTING' }));
  });

  it.each<[string, FeatureName]>([
    ['RUST_ROUTING', 'rust_routing'],
    ['ROUTING', 'rust_routing'],
    ['RUST_TOKEN_COUNTING', 'rust_token_counting'],
    ['TOKEN_COUNTING', 'rust_token_counting'],
    ['RUST_RATE_LIMITING', 'rust_rate_limiting'],
    ['RATE_LIMITING', 'rust_rate_limiting'],
    ['RUST_CONNECTION_POOLING', 'rust_connection_pooling'],
    ['RUST_CONNECTION_POOL', 'rust_connection_pooling'],
    ['CONNECTION_POOLING', 'rust_connection_pooling'],
    ['CONNECTION_POOL', 'rust_connection_pooling'],
    ['BATCH_TOKEN_COUNTING', 'batch_token_counting'],
    ['PERFORMANCE_MONITORING', 'performance_monitoring'],
  ])('switches one feature off by %s', (variable, feature) => {
    const service = boot({ [variable]: 'false' });
    expect(FEATURES.filter((name) => !service.isEnabled(name))).toEqual([feature]);
  });

  it('refuses two variables that disagree about one feature', () => {
    expect(() => boot({ RUST_ROUTING: 'true', ROUTING: 'false' })).toThrow(
      'FAST_LITELLM_ROUTING: sets disabled, but FAST_LITELLM_RUST_ROUTING sets enabled for the same feature',
    );
    expect(stateOf(boot({ RUST_ROUTING: 'false', ROUTING: 'disabled' }), 'rust_routing')).toBe('disabled');
  });

  it('switches everything off with ENABLED=false, even what another variable enables', () => {
    const service = boot({ ENABLED: 'false', RUST_ROUTING: 'true' });
    expect(FEATURES.filter((name) => service.isEnabled(name))).toEqual([]);
    expect(boot({ ENABLED: 'true' }, { enabled: false }).isEnabled('rust_routing')).toBe(true);
    expect(() => boot({ ENABLED: 'canary:10' })).toThrow('FAST_LITELLM_ENABLED: must be true or false, got "canary:10"');
  });

  it('holds the rate limits', () => {
    expect(boot({ RATE_LIMIT_RPM: '120', RATE_LIMIT_BURST: '30' }).settings.rateLimit).toEqual({ requestsPerMinute: 120, burst: 30 });
    expect(() => boot({ RATE_LIMIT_RPM: '0' })).toThrow('FAST_LITELLM_RATE_LIMIT_RPM: must be a positive integer, got "0"');
    expect(() => boot({ RATE_LIMIT_BURST: '1.5' })).toThrow('FAST_LITELLM_RATE_LIMIT_BURST');
  });

  it('is warned about when a variable looks misspelt', () => {
    boot({ RUST_ROUTNG: 'false', SOMETHING_OF_YOUR_OWN: 'x', ENGINE: 'auto' });
    expect(lines).toEqual([
      'Feature flags: the variable FAST_LITELLM_RUST_ROUTNG is unknown and has no effect (did you mean FAST_LITELLM_RUST_ROUTING?)',
    ]);
  });
});

describe('the file', () => {
  it('is understood in the shape with states', () => {
    const service = bootWithFile({
      features: {
        rust_routing: { state: 'gradual_rollout', rollout_percentage: 12.5, error_threshold: 3, performance_threshold_ms: 250 },
        rust_token_counting: { state: 'enabled', rollout_percentage: 100 },
        rust_rate_limiting: { state: 'canary', rollout_percentage: 25 },
        rust_connection_pool: { state: 'shadow' },
        batch_token_counting: { state: 'disabled', rollout_percentage: 0 },
        performance_monitoring: { state: 'canary:5' },
      },
      global_settings: {
        enable_automatic_degradation: true,
        enable_performance_alerts: false,
        metrics_retention_hours: 24,
        alert_file: 'alerts.log',
      },
    });
    expect(FEATURES.map((feature) => stateOf(service, feature))).toEqual([
      'rollout:12.5',
      'enabled',
      'canary:25',
      'shadow',
      'disabled',
      'canary:5',
      'enabled',
    ]);
    expect(service.getFeatureStatus().rust_routing).toMatchObject({ errorThreshold: 3, performanceThresholdMs: 250 });
    expect(service.settings.monitoring).toMatchObject({ performanceAlerts: false, metricsRetentionHours: 24, alertFile: 'alerts.log' });
  });

  it('is understood in the shape with enabled and config', () => {
    const service = bootWithFile({
      features: {
        rust_routing: { enabled: true, rollout_percentage: 10 },
        rust_token_counting: { enabled: true },
        rust_rate_limiting: { enabled: false, rollout_percentage: 50, config: { requests_per_minute: 60, burst_size: 10 } },
        rust_connection_pooling: { enabled: true, config: { max_connections_per_endpoint: 20, idle_timeout_seconds: 1.001 } },
      },
      monitoring: { enabled: true, sample_rate: 0.1 },
      fallback: { auto_disable_on_errors: true, max_errors_before_disable: 4 },
    });
    expect(FEATURES.slice(0, 4).map((feature) => stateOf(service, feature))).toEqual(['rollout:10', 'enabled', 'disabled', 'enabled']);
    expect(service.settings).toMatchObject({
      rateLimit: { requestsPerMinute: 60, burst: 10 },
      connectionPool: { maxConnectionsPerEndpoint: 20, idleTimeoutMs: 1_001 },
      monitoring: { enabled: true, sampleRate: 0.1 },
    });
    expect(service.getFeatureStatus().rust_routing.errorThreshold).toBe(4);
  });

  it('can forbid that errors switch features off, and can switch monitoring off', () => {
    const service = bootWithFile({
      fallback: { auto_disable_on_errors: false, max_errors_before_disable: 1 },
      monitoring: { enabled: false },
    });
    service.recordError('rust_routing', new Error('a'));
    expect(service.isEnabled('rust_routing')).toBe(true);
    expect(service.isEnabled('performance_monitoring')).toBe(false);
  });

  it('is read from the path that the options name, unless the environment names another', () => {
    writeFileSync(file, '{"features":{"rust_routing":{"enabled":false}}}');
    expect(boot({}, { configFile: file }).isEnabled('rust_routing')).toBe(false);
    const other = join(folder, 'other.json');
    writeFileSync(other, '\uFEFF{}');
    expect(boot({ FEATURE_CONFIG: other }, { configFile: file }).isEnabled('rust_routing')).toBe(true);
  });

  it.each<[unknown, string, string]>([
    ['{"features":', '', 'must be valid JSON'],
    ['[]', '', 'must be an object'],
    [{ feature: {} }, ': feature', 'did you mean'],
    [{ features: [] }, ': features', 'must be an object, got an array of 0'],
    [{ features: { rust_router: {} } }, ': features.rust_router', 'did you mean rust_routing?'],
    [{ features: { rust_routing: true } }, ': features.rust_routing', 'must be an object, got true'],
    [{ features: { rust_routing: { state: 'on' } } }, ': features.rust_routing.state', 'must be one of enabled, disabled'],
    [
      { features: { rust_routing: { state: 'canary' } } },
      ': features.rust_routing.rollout_percentage',
      'must be set together with the state canary',
    ],
    [
      { features: { rust_routing: { state: 'canary:5', rollout_percentage: 5 } } },
      ': features.rust_routing.state',
      'must not contain a percentage',
    ],
    [
      { features: { rust_routing: { state: 'canary', rollout_percentage: 101 } } },
      ': features.rust_routing.rollout_percentage',
      'from 0 to 100, got 101',
    ],
    [
      { features: { rust_routing: { state: 'enabled', enabled: true } } },
      ': features.rust_routing',
      'must not have both state and enabled',
    ],
    [{ features: { rust_routing: { enabled: 'yes' } } }, ': features.rust_routing.enabled', 'must be true or false, got "yes"'],
    [
      { features: { rust_routing: { error_threshold: 0 } } },
      ': features.rust_routing.error_threshold',
      'must be a positive integer, got 0',
    ],
    [{ features: { rust_routing: { rollout: 5 } } }, ': features.rust_routing.rollout', 'is not a known option'],
    [{ features: { rust_connection_pool: {}, rust_connection_pooling: {} } }, ': features.rust_connection_pooling', 'is another name for'],
    [
      { features: { rust_routing: { enabled: true, config: { burst_size: 5 } } } },
      ': features.rust_routing.config.burst_size',
      'is not a known option',
    ],
    [
      { features: { rust_rate_limiting: { config: { requests_per_minute: '60' } } } },
      ': features.rust_rate_limiting.config.requests_per_minute',
      'must be a positive integer, got "60"',
    ],
    [
      { features: { rust_connection_pooling: { config: { idle_timeout_seconds: 0 } } } },
      ': features.rust_connection_pooling.config.idle_timeout_seconds',
      'must be a number from 0.001 to 2147483, got 0',
    ],
    [{ monitoring: { sample_rate: 2 } }, ': monitoring.sample_rate', 'from 0 to 1, got 2'],
    [{ fallback: { max_errors_before_disable: -1 } }, ': fallback.max_errors_before_disable', 'must be a positive integer, got -1'],
    [{ fallback: { max_errors: 1 } }, ': fallback.max_errors', 'is not a known option'],
  ])('is refused when broken, with file and path (%#)', (content, path, message) => {
    expect(() => bootWithFile(content)).toThrow(InvalidConfigurationError);
    expect(() => bootWithFile(content)).toThrow(
      expect.objectContaining({ path: file + path, message: expect.stringContaining(message) as string }),
    );
  });

  it('is an error at boot when it is missing', () => {
    const missing = join(folder, 'missing.json');
    expect(() => boot({ FEATURE_CONFIG: missing })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION', path: missing }));
    expect(() => boot({ FEATURE_CONFIG: '' })).toThrow('FAST_LITELLM_FEATURE_CONFIG: must be a non-empty string');
    expect(() => boot({}, { configFile: folder })).toThrow(InvalidConfigurationError);
  });
});

describe('precedence', () => {
  const options: FeatureFlagsOptions = {
    errorThreshold: 7,
    features: {
      rust_routing: 'rollout:1',
      rust_token_counting: 'rollout:1',
      rust_rate_limiting: { state: 'rollout:1', errorThreshold: 2 },
    },
  };
  const content = {
    features: { rust_routing: { state: 'canary', rollout_percentage: 2 }, rust_token_counting: { enabled: true, rollout_percentage: 2 } },
  };

  it('is environment, then file, then options, then the defaults', () => {
    const service = bootWithFile(content, { RUST_ROUTING: 'canary:3', RATE_LIMIT_RPM: '5' }, options);
    expect(FEATURES.slice(0, 4).map((feature) => stateOf(service, feature))).toEqual(['canary:3', 'rollout:2', 'rollout:1', 'enabled']);
  });

  it('is decided entry by entry, and one feature goes before all', () => {
    const file = { features: { rust_rate_limiting: { state: 'shadow' } }, fallback: { max_errors_before_disable: 3 } };
    const status = bootWithFile(file, {}, options).getFeatureStatus();
    expect(status.rust_rate_limiting).toMatchObject({ state: 'shadow', errorThreshold: 2 });
    expect(status.rust_routing).toMatchObject({ state: 'rollout:1', errorThreshold: 3 });
  });

  it('holds for the rate limits too', () => {
    const limits = { features: { rust_rate_limiting: { config: { requests_per_minute: 60, burst_size: 10 } } } };
    expect(bootWithFile(limits, { RATE_LIMIT_RPM: '5' }).settings.rateLimit).toEqual({ requestsPerMinute: 5, burst: 10 });
  });
});
