import { deployment, routerEngines, routerOn } from '../../../test/support/router-engines.js';
import { resolveRouterOptions, type RouterOptions } from '../router.options.js';

const [engine] = routerEngines();

describe('policies by class of error', () => {
  it.each<[RouterOptions, string]>([
    [{ allowedFailsPolicy: { RateLimitAllowedFails: 3 } }, 'router.allowedFailsPolicy.RateLimitAllowedFails'],
    [{ retryPolicy: { RateLimitErrorRetrys: 3 } }, 'router.retryPolicy.RateLimitErrorRetrys'],
    [{ retryPolicy: { RateLimitErrorAllowedFails: 3 } }, 'router.retryPolicy.RateLimitErrorAllowedFails'],
    [{ modelGroupRetryPolicy: { a: { TimeoutRetries: 3 } } }, 'router.modelGroupRetryPolicy.a.TimeoutRetries'],
    [{ modelGroupRetryPolicy: { a: { TimeoutErrorRetries: -1 } } }, 'router.modelGroupRetryPolicy.a.TimeoutErrorRetries'],
  ])('reject %j, which would have no effect', (options, path) => {
    expect(() => resolveRouterOptions(options, {})).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION', path }));
  });

  it('of a newer LiteLLM are reported, and the known classes apply', () => {
    const info = { allowed_fails_policy: { NewErrorAllowedFails: 1, TimeoutErrorAllowedFails: 2 } };
    const routerSettings = {
      allowed_fails_policy: { NewErrorAllowedFails: 1 },
      retry_policy: { NewErrorRetries: 1, TimeoutErrorRetries: 4 },
      model_group_retry_policy: { g: { NewErrorRetries: 1, NotFoundErrorRetries: 3 } },
    };
    const { router } = routerOn(engine, { modelList: [deployment('a', {}, 'g', info)], routerSettings });
    expect(router.warnings).toEqual([
      'unknown option ignored: router.routerSettings.allowed_fails_policy.NewErrorAllowedFails',
      'unknown option ignored: router.routerSettings.retry_policy.NewErrorRetries',
      'unknown option ignored: router.routerSettings.model_group_retry_policy.g.NewErrorRetries',
      'unknown option ignored: model_info: allowed_fails_policy.NewErrorAllowedFails',
    ]);
    expect(router.settings.retryPolicy).toEqual({ TimeoutErrorRetries: 4 });
    expect(router.settings.modelGroupRetryPolicy).toEqual({ g: { NotFoundErrorRetries: 3 } });
    expect(router.deployments()[0].allowedFailsPolicy).toEqual({ TimeoutErrorAllowedFails: 2 });
  });
});
