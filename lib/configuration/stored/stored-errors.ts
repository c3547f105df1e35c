import { FastLiteLLMError } from '../../common/errors.js';

/** Codes of a `StoredConfigurationError`. */
export type StoredConfigurationFault =
  | 'CONFIGURATION_STORE_MISSING'
  | 'CONFIGURATION_STORE_UNAVAILABLE'
  | 'CONFIGURATION_CONFLICT'
  | 'CONFIGURATION_IN_USE'
  | 'CONFIGURATION_IN_FILE'
  | 'CONFIGURATION_NOT_FOUND'
  | 'SALT_KEY_MISSING'
  | 'SALT_KEY_WRONG';

/**
 * Something cannot be stored or read: there is no store, the salt key is missing or different, or
 * the id already exists or is defined in the configuration file. Nothing has changed then. Messages
 * contain no secrets.
 */
export class StoredConfigurationError extends FastLiteLLMError {
  declare readonly code: StoredConfigurationFault;

  constructor(code: StoredConfigurationFault, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
