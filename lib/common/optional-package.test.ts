import { MissingPackageError } from './errors.js';
import { isInstalled, loadOptionalPackage } from './optional-package.js';

const notFound = (name: string): never => {
  throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
};

it('isInstalled checks whether a package resolves, without loading it', () => {
  expect(isInstalled(() => '/node_modules/a/index.js')).toBe(true);
  expect(isInstalled(() => notFound('a'))).toBe(false);
  const hidden = Object.assign(new Error('no main'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
  expect(
    isInstalled(() => {
      throw hidden;
    }),
  ).toBe(true);
});

it('loadOptionalPackage names the package that is missing, and no other one', () => {
  expect(loadOptionalPackage('a', 'x', () => 7)).toBe(7);
  expect(() => loadOptionalPackage('a', 'the feature', () => notFound('a'))).toThrow(MissingPackageError);
  expect(() => loadOptionalPackage('a', 'the feature', () => notFound('b'))).toThrow("Cannot find module 'b'");
});
