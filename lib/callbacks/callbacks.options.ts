import { boolean, custom, integer, list, string, type OptionsOf } from '../common/option.js';
import type { Fields } from '../common/objects.js';
import { checkObject } from '../common/options.js';

const names = () => list(string(), { default: [] });

export const CALLBACKS = {
  /**
   * Sinks for all calls, by LiteLLM's names: `langfuse`, `langfuse_otel`, `otel`, `generic_api`,
   * `s3_v2`, or a name from `settings`. Sinks from LiteLLM's file (`litellm_settings.callbacks`)
   * are added. Default: none.
   */
  all: names(),
  /** Additional sinks for successful calls. File: `success_callback`. Default: none. */
  success: names(),
  /** Additional sinks for calls that did not succeed. File: `failure_callback`. Default: none. */
  failure: names(),
  /**
   * Removes messages and answers from the payloads of all sinks. Default false. File:
   * `turn_off_message_logging`.
   */
  redactMessages: boolean({ default: false }),
  /**
   * Maximum length of the messages, and of the answer, in one payload, in characters; longer text
   * is cut. Default 1,000,000.
   */
  maxTextChars: integer({ min: 1, max: 100_000_000, default: 1_000_000 }),
  /**
   * Settings of each sink by name, with LiteLLM's field names. File: `callback_settings`. Default:
   * none.
   */
  settings: custom<Fields>('object', checkObject, {}),
  /** Settings of `s3_v2`, with LiteLLM's field names. File: `s3_callback_params`. Default: none. */
  s3: custom<Fields>('object', checkObject, {}),
  /**
   * Folder for payloads while a sink is unavailable. It is created so that only the process's user
   * can read it; several processes can share it. Default: payloads wait in memory only.
   * Environment: `FAST_LITELLM_CALLBACKS_FOLDER`.
   */
  spillFolder: string({ env: 'FAST_LITELLM_CALLBACKS_FOLDER' }),
  /**
   * Maximum number of payloads in memory per sink; further payloads are dropped. Default 10,000.
   */
  maxPending: integer({ min: 1, default: 10_000 }),
  /** Maximum size of the payloads in memory per sink, in millions of characters. Default 64. */
  maxPendingMb: integer({ min: 1, max: 4_096, default: 64 }),
  /** Maximum size of each sink's files in `spillFolder`, in MB. Default 1,024. */
  maxSpillMb: integer({ min: 1, max: 1_048_576, default: 1_024 }),
  /** Time limit of a request to a sink, in ms. Default 20,000. */
  timeoutMs: integer({ min: 1, max: 600_000, default: 20_000 }),
  /** How long a shutdown waits for the sinks, in ms. Default 5,000. */
  closeMs: integer({ min: 0, max: 600_000, default: 5_000 }),
};

/** Options of callbacks. */
export interface CallbackOptions extends OptionsOf<typeof CALLBACKS> {}
