import { HttpException } from '@nestjs/common';
import { InvalidConfigurationError } from '../common/errors.js';
import { StoredConfigurationError, type StoredConfigurationFault } from '../configuration/stored/stored-errors.js';

/** Status and code of the answer. */
const ANSWERS: Readonly<Record<StoredConfigurationFault, readonly [status: number, code: string]>> = {
  CONFIGURATION_STORE_MISSING: [409, 'store_missing'],
  CONFIGURATION_STORE_UNAVAILABLE: [503, 'store_unavailable'],
  CONFIGURATION_CONFLICT: [409, 'conflict'],
  CONFIGURATION_IN_USE: [409, 'in_use'],
  CONFIGURATION_IN_FILE: [409, 'defined_in_file'],
  CONFIGURATION_NOT_FOUND: [404, 'not_found'],
  SALT_KEY_MISSING: [409, 'salt_key_missing'],
  SALT_KEY_WRONG: [409, 'salt_key_wrong'],
};

/** Runs `work`; its errors about the store and the configuration have OpenAI's format. */
export async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InvalidConfigurationError) throw adminError(400, 'invalid_configuration', error.message, error);
    if (!(error instanceof StoredConfigurationError)) throw error;
    const [status, code] = ANSWERS[error.code];
    throw adminError(status, code, error.message, error);
  }
}

/** An error in OpenAI's format. */
export function adminError(status: number, code: string, message: string, cause?: unknown): HttpException {
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return new HttpException({ error: { message: `${text}.`, type, param: null, code } }, status, { cause });
}
