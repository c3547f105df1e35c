import { ApiKeyError } from './common/http-errors.js';
import { OpenAIErrorFilter } from './gateway/gateway-error.filter.js';
import { namedKey } from './keys/api/key-fields.js';
import type { ApiKeyService } from './keys/api-keys.service.js';
import type { SpendServices } from './spend/api/spend-api.js';
import { createSpendController } from './spend/api/spend.controller.js';
import type { FastLiteLLMSpendService } from './spend/spend.service.js';
import type { SpendQueries } from './spend/spend-queries.js';

/** The controller of LiteLLM's routes about spend. */
export const spendController = (): ReturnType<typeof createSpendController> => createSpendController(OpenAIErrorFilter);

/**
 * Creates the services that the routes use.
 * @param keys Without keys, no request is accepted.
 */
export function openSpendServices(service: FastLiteLLMSpendService, queries: SpendQueries, keys: ApiKeyService | undefined): SpendServices {
  return {
    service,
    queries,
    authenticate: async (headers) => {
      if (keys === undefined) throw new ApiKeyError('unknown');
      return keys.authenticate(headers);
    },
    isTeamAdmin: (team, user) => queries.isTeamAdmin(team, user),
    keyIdOf: (name, text) => namedKey(name, text),
  };
}
