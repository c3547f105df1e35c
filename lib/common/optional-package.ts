import { MissingPackageError } from './errors.js';

/**
 * Loads an optional peer dependency on first use. `load` contains the `require` with a literal
 * name, for bundlers.
 * @throws MissingPackageError if it is not installed; rethrows other errors.
 */
export function loadOptionalPackage<T>(packageName: string, purpose: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Only if this package itself is missing, not one of its dependencies.
    if ((code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') && message.includes(`'${packageName}'`)) {
      throw new MissingPackageError(packageName, purpose, { cause: error });
    }
    throw error;
  }
}

/** Whether a package is there, without loading it. `resolve` contains its literal name. */
export function isInstalled(resolve: () => string): boolean {
  try {
    resolve();
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A package that does not export its entry is installed nevertheless.
    return code !== 'MODULE_NOT_FOUND' && code !== 'ERR_MODULE_NOT_FOUND';
  }
}
