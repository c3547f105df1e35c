import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { SUPPORTED_NODE } from '../../lib/cli/node-version.js';
import { isLong } from '../support/long.js';
import { importsOf } from './architecture.rules.js';
import { readSources, root } from './sources.js';

interface Manifest {
  readonly version: string;
  readonly type: string;
  readonly main: string;
  readonly types: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly exports: Readonly<Record<string, unknown>>;
  readonly typesVersions: unknown;
  readonly imports: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;

/** `@scope/name/deep/file.js` -> `@scope/name`. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** Peers that Nest needs: a second copy beside the app's would break decorators and streams. */
const peersOfNest = ['@nestjs/core', 'reflect-metadata', 'rxjs'];

describe('dependencies', () => {
  const sources = [...readSources(['lib'], /\.ts$/)].filter(([path]) => !path.endsWith('.test.ts')).map(([, text]) => text);
  /** Files that are sent on as they are. */
  const resolved = sources.flatMap((text) => [...text.matchAll(/\brequire\.resolve\('([^']+)'\)/g)].map(([, name]) => name));
  const specifiers = [...sources.flatMap(importsOf), ...resolved];
  const imported = new Set(specifiers.filter((name) => !/^[.#]/.test(name) && !isBuiltin(name)).map(packageOf));
  const { dependencies, peerDependencies, devDependencies } = manifest;

  test('declare every package that lib/ imports', () => {
    const declared = Object.keys({ ...dependencies, ...peerDependencies });
    expect([...imported].filter((name) => !declared.includes(name))).toEqual([]);
    expect(imported.size).toBeGreaterThan(0);
  });

  test('contain only imported packages', () => {
    expect(Object.keys(dependencies).filter((name) => !imported.has(name))).toEqual([]);
  });

  test('contain only peers that lib/ imports or Nest needs', () => {
    expect(Object.keys(peerDependencies).filter((name) => !imported.has(name) && !peersOfNest.includes(name))).toEqual([]);
  });

  test('include every peer for the tests, and no package twice', () => {
    expect(Object.keys(peerDependencies).filter((name) => !(name in devDependencies))).toEqual([]);
    expect(Object.keys(dependencies).filter((name) => name in devDependencies || name in peerDependencies)).toEqual([]);
  });

  test('exclude Node built-ins, which are imported with node:', () => {
    expect(specifiers.filter((name) => isBuiltin(name) && !name.startsWith('node:'))).toEqual([]);
  });

  test('are not needed to load the package if they are optional peers', () => {
    const optional = Object.keys(manifest.peerDependenciesMeta);
    const load = (specifier: string): unknown => {
      let loaded: unknown;
      jest.isolateModules(() => {
        for (const name of optional) {
          jest.doMock(name, () => {
            throw new Error(`${name} is not installed`);
          });
        }
        loaded = jest.requireActual(specifier);
      });
      optional.forEach((name) => jest.dontMock(name));
      return loaded;
    };
    expect(load('../../lib/index.js')).toHaveProperty('FastLiteLLMModule');
  });

  test('are optional peers if only one adapter needs them', () => {
    const optional = Object.keys(manifest.peerDependenciesMeta).filter((name) => manifest.peerDependenciesMeta[name].optional);
    expect(
      optional.filter(
        (name) =>
          !/^pg$|ioredis|langchain|microservices|opentelemetry|prom|terminus|websockets|swagger|^@aws|^@azure|^@smithy|^google-auth|^@huggingface|^re2js/.test(
            name,
          ),
      ),
    ).toEqual([]);
    expect(optional.filter((name) => !(name in peerDependencies))).toEqual([]);
  });
});

describe('the published package', () => {
  test('is one CommonJS build for Node versions that can require() an ES module', () => {
    expect(manifest.type).toBe('commonjs');
    expect(manifest.engines).toEqual({ node: SUPPORTED_NODE });
    expect(manifest.exports['.']).toEqual({ types: `./${manifest.types}`, default: `./${manifest.main}` });
    expect([manifest.main, manifest.types]).toEqual(['dist/lib/index.js', 'dist/lib/index.d.ts']);
    // A compiler of the older resolution, NestJS 11's default, reads no `exports`.
    const entries = Object.keys(manifest.exports).filter((entry) => !['.', './package.json'].includes(entry));
    const names = entries.map((entry) => entry.slice('./'.length));
    const typesOf = (name: string): string => `./dist/lib/${name}.d.ts`;
    const expected = names.map((name) => [`./${name}`, { types: typesOf(name), default: `./dist/lib/${name}.js` }]);
    expect(manifest.exports).toMatchObject(Object.fromEntries(expected));
    expect(manifest.typesVersions).toEqual({ '*': Object.fromEntries(names.map((name) => [name, [typesOf(name)]])) });
    expect(names.filter((name) => !existsSync(join(root, 'lib', `${name}.ts`)))).toEqual([]);
    expect(manifest.imports).toEqual({ '#native': './native/index.js' });
  });

  test('depends on version ranges, except for tiktoken, whose vocabularies are in the addon', () => {
    const pinned = Object.keys(manifest.dependencies).filter((name) => !manifest.dependencies[name].startsWith('^'));
    expect(pinned).toEqual(['tiktoken']);
  });

  test('has no install script', () => {
    expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  });

  // npm packs and compresses all of it to tell the names.
  (isLong ? test : test.skip)('contains only the compiled library, the addon if built, and the documentation', () => {
    const pack = ['pack', '--dry-run', '--json', '--ignore-scripts'];
    const cli = process.env.npm_execpath;
    const json = cli?.endsWith('npm-cli.js')
      ? execFileSync(process.execPath, [cli, ...pack], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      : execFileSync('npm', pack, {
          cwd: root,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
          shell: process.platform === 'win32',
        });
    const [{ files }] = JSON.parse(json) as [{ files: { path: string }[] }];
    const paths = files.map((file) => file.path);
    const library =
      /^dist\/lib\/(?!.*\.test\.).+\.(js|js\.map|d\.ts)$|^dist\/lib\/dashboard\/browser\/(app\.css|icon\.svg)$|^dist\/lib\/[a-z-]+\/[a-z-]+\/lua\/[a-z-]+\.lua$|^dist\/lib\/postgres\/migrations\/[a-z0-9-]+\.sql$/;
    const others = ['CHANGELOG.md', 'LICENSE', 'README.md', 'native/index.d.ts', 'native/index.js', 'package.json'];
    const entries = readdirSync(join(root, 'docs'), { withFileTypes: true });
    const documentation = entries.filter((entry) => entry.isFile()).map(({ name }) => `docs/${name}`);
    const addons = readdirSync(join(root, 'native')).filter((name) => name.endsWith('.node'));
    const expected = [...others, ...addons.map((name) => `native/${name}`), ...documentation];
    expect(paths.filter((path) => !library.test(path)).sort()).toEqual(expected.sort());
    expect(documentation.filter((path) => !/\.(md|json|yml)$/.test(path))).toEqual([]);
    // Without a build there is nothing of dist/ to look at; CI builds before it releases.
    if (existsSync(join(root, manifest.main))) expect(paths).toContain(manifest.main);
  });
});

describe('the version', () => {
  test('is the same in all manifests', () => {
    const { version } = manifest;
    const lock = JSON.parse(read('package-lock.json')) as { version: string; packages: Record<string, { version: string }> };
    expect([lock.version, lock.packages[''].version]).toEqual([version, version]);
    expect(/^\[workspace\.package\][^[]*?^version = "([^"]+)"/m.exec(read('native/Cargo.toml'))?.[1]).toBe(version);
    expect(/^## \[(?!Unreleased\])([^\]]+)\]/m.exec(read('CHANGELOG.md'))?.[1]).toBe(version);
    const constants = [...readSources(['lib'], /\.ts$/).values()].flatMap((text) => [
      ...text.matchAll(/\bexport const VERSION = '([^']+)'/g),
    ]);
    expect(constants.map(([, constant]) => constant).filter((constant) => constant !== version)).toEqual([]);
    expect(read('native/index.js')).toContain(version);
  });
});
