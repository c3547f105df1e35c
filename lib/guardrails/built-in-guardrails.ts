import { lazy } from '../common/lazy.js';
import type * as ContentFilter from './built-in/content-filter.js';
import type * as GenericApi from './built-in/generic-api.js';
import type * as HideSecrets from './built-in/hide-secrets.js';
import type * as Lakera from './built-in/lakera.js';
import type * as OpenAIModeration from './built-in/openai-moderation.js';
import type * as Presidio from './built-in/presidio.js';
import type * as ToolPermission from './built-in/tool-permission.js';
import type { GuardrailKind } from './guardrail-kind.js';

/* eslint-disable @typescript-eslint/no-require-imports -- each type is loaded once an entry names it */

/** The types of guardrails by their id in `litellm_params.guardrail`. */
export const BUILT_IN_GUARDRAILS: Readonly<Record<string, () => GuardrailKind>> = {
  presidio: lazy(() => (require('./built-in/presidio.js') as typeof Presidio).PRESIDIO),
  openai_moderation: lazy(() => (require('./built-in/openai-moderation.js') as typeof OpenAIModeration).OPENAI_MODERATION),
  lakera_v2: lazy(() => (require('./built-in/lakera.js') as typeof Lakera).LAKERA_V2),
  generic_guardrail_api: lazy(() => (require('./built-in/generic-api.js') as typeof GenericApi).GENERIC_GUARDRAIL_API),
  litellm_content_filter: lazy(() => (require('./built-in/content-filter.js') as typeof ContentFilter).CONTENT_FILTER),
  'hide-secrets': lazy(() => (require('./built-in/hide-secrets.js') as typeof HideSecrets).HIDE_SECRETS),
  tool_permission: lazy(() => (require('./built-in/tool-permission.js') as typeof ToolPermission).TOOL_PERMISSION),
};
