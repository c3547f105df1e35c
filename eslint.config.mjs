import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const nodeGlobals = Object.fromEntries(
  [
    'require',
    'module',
    'process',
    'console',
    'Buffer',
    '__dirname',
    '__filename',
    'setTimeout',
    'clearTimeout',
    'setImmediate',
    'performance',
    'URL',
    'fetch',
    'TextEncoder',
    'TextDecoder',
  ].map((name) => [name, 'readonly']),
);

// One program for the command, which takes a sixth less CPU time; a service for editors, whose files change.
const types = /eslint\.js$/.test(process.argv[1] ?? '') ? { project: './tsconfig.json' } : { projectService: true };

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'docs/api/', 'native/target/', 'native/index.js', 'native/index.d.ts', '**/node_modules/']),
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { ...types, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'none' }],
      // The interfaces of declared options.
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNever: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // An engine is synchronous while a twin of it may not be: `async` states the contract.
      '@typescript-eslint/require-await': 'off',
      // Nest modules and marker classes.
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/only-throw-error': 'error',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  // What is heavy or may be missing is opened when it is first needed.
  {
    files: ['lib/connection-pool/**/*.ts', 'lib/engine/native-binding.ts', 'lib/token-counter/bpe/ranks.ts'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  // Programs of the terminal; packages that only a bench installs have no types here.
  {
    files: ['test/bench/**/*.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-require-imports': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // Takes `random() < 0.02` for the same question twice.
      'no-dupe-else-if': 'off',
    },
  },
  // Compiled by scripts/examples.js, from the packed package: here their imports have no types.
  {
    files: ['docs/examples/**/*.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false } },
    rules: { 'no-console': 'off', '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    // Answers of supertest and of mocks are `any` by nature.
    files: ['**/*.test.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: nodeGlobals },
    // Terminal colours are taken out of a compiler's output.
    rules: { 'no-control-regex': 'off' },
  },
  { files: ['**/*.js'], languageOptions: { sourceType: 'commonjs' } },
);
