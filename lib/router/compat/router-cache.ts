import type { LogSink } from '../../common/log-sink.js';
import { checkKnownKeys, checkObject, refuseArgument } from '../../common/options.js';
import type { EngineChoice } from '../../engine/engine-choice.js';
import type { ModelListEntry } from '../deployments/deployment.js';
import { toRouterSettings, type LiteLLMRouterSettings } from '../config/litellm-router-settings.js';
import type { RouterEngine } from '../engine/engine.js';
import type { RouterContext } from '../router-dependencies.js';
import { RouterService } from '../router.service.js';
import { resolveRouterSettings, SETTING_KEYS, type RouterSettings } from '../settings.js';

const SILENT: LogSink = { log: () => {}, warn: () => {}, error: () => {} };
const DEFAULT_SETTINGS: RouterSettings = {};

interface ListRouter {
  readonly router: RouterService;
  length: number;
}

/**
 * Routers for model lists that are passed with each call: one per array and settings object,
 * garbage-collected with them. A list is read again when its length changes; other changes in place
 * need `refresh`.
 */
export class ListRouters {
  private readonly bySettings = new WeakMap<RouterSettings | LiteLLMRouterSettings, WeakMap<readonly ModelListEntry[], ListRouter>>();

  constructor(
    private readonly choice: EngineChoice<RouterEngine>,
    private readonly context: RouterContext,
  ) {}

  /**
   * Returns the router of this list.
   * @throws InvalidArgumentError naming the entry and key (`modelList[2].litellm_params.rpm`), or
   * the setting.
   */
  of(list: readonly ModelListEntry[], settings: RouterSettings | LiteLLMRouterSettings = DEFAULT_SETTINGS): RouterService {
    let byList = this.bySettings.get(settings);
    if (byList === undefined) {
      checkObject('settings', settings, refuseArgument);
      this.bySettings.set(settings, (byList = new WeakMap()));
    }
    let known = byList.get(list);
    if (known === undefined) {
      if (!Array.isArray(list)) throw refuseArgument('modelList', list, 'must be an array of deployments');
      byList.set(list, (known = { router: this.make(list, settings), length: list.length }));
    } else if (known.length !== list.length) {
      known.router.setModelList(list);
      known.length = list.length;
    }
    return known.router;
  }

  /** Reads a list again after a change in place. */
  refresh(list: readonly ModelListEntry[], settings: RouterSettings | LiteLLMRouterSettings = DEFAULT_SETTINGS): void {
    const known = this.bySettings.get(settings)?.get(list);
    if (known === undefined) return;
    known.router.setModelList(list);
    known.length = list.length;
  }

  private make(modelList: readonly ModelListEntry[], given: RouterSettings | LiteLLMRouterSettings): RouterService {
    const input = toRouterSettings('settings', given, refuseArgument);
    checkKnownKeys('settings', input, SETTING_KEYS, refuseArgument);
    const settings = resolveRouterSettings(input, 'settings', refuseArgument);
    const options = {
      input,
      settings,
      modelList,
      sharedAs: null,
      maxDeployments: 0,
      sharedState: undefined,
      healthChecks: undefined,
      strict: false,
      calledByApp: false,
      countTokens: undefined,
      warnings: [],
      env: process.env,
    };
    return new RouterService(this.choice, options, {
      ...this.context,
      logger: SILENT,
      reading: { path: 'modelList', refuse: refuseArgument },
    });
  }
}
