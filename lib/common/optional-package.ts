import { MissingPackageError } from './errors.js';

/**
 * Loads an optional peer when it is first needed. `load` holds the `require`, with its name spelled out for bundlers to see.
 * @throws MissingPackageError when it is not installed; whatever else goes wrong while loading is thrown on.
 */
export function loadOptionalPackage<T>(packageName: string, purpose: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Only if it is this package that is missing, not one that it needs itself.
    if ((code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') && message.includes(`'${packageName}'`)) {
      throw new MissingPackageError(packageName, purpose, { cause: error });
    }
    throw error;
  }
}
