import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, cpSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { exampleFolders } from './readme-document.js';
import { root } from './sources.js';

// What the examples do is checked by scripts/examples.js, from the packed package.

interface Manifest {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: object;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const manifestIn = (folder: string): Manifest => JSON.parse(read(join(folder, 'package.json'))) as Manifest;
const ours = manifestIn('.');
const { packages: installed } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version: string } | undefined> };

describe.each(exampleFolders.map((folder) => [basename(folder), folder]))('the example %s', (name, folder) => {
  const manifest = manifestIn(folder);

  it('depends on the versions that this package is tested with', () => {
    const { 'nestjs-fast-litellm': own, ...others } = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(own).toBe(`^${ours.version}`);
    const versionOf = (dependency: string): string | undefined =>
      ours.devDependencies?.[dependency] ?? installed[`node_modules/${dependency}`]?.version;
    expect(Object.entries(others).filter(([dependency, version]) => versionOf(dependency) !== version)).toEqual([]);
  });

  it('imports only what it depends on, and depends on nothing else', () => {
    const sources = readdirSync(join(root, folder, 'src')).map((file) => read(join(folder, 'src', file)));
    const imported = sources.flatMap((text) => [...text.matchAll(/(?:from|import) '((?:@[\w-]+\/)?[\w-]+)/g)].map(([, found]) => found));
    const packages = new Set(imported.filter((found) => found !== 'node' && !found.startsWith('.')));
    // Nest loads its platform by itself, and reads decorators' types of rxjs; ioredis is loaded by the stores.
    for (const implied of ['@nestjs/platform-express', 'rxjs', 'ioredis'])
      if (implied in (manifest.dependencies ?? {})) packages.add(implied);
    expect([...packages].sort()).toEqual(Object.keys(manifest.dependencies ?? {}).sort());
  });

  it('has the commands, the Node versions and the compiler options of the others', () => {
    expect(manifest.scripts).toEqual({ build: 'tsc', start: 'node dist/main.js', check: 'npm run build && node dist/check.js' });
    expect(manifest.engines).toEqual(ours.engines);
    expect(JSON.parse(read(join(folder, 'tsconfig.json')))).toEqual(JSON.parse(read(join(exampleFolders[0], 'tsconfig.json'))));
  });

  it('is linked by the README and the list of examples', () => {
    expect(read('README.md')).toContain(`(${folder})`);
    expect(read('docs/examples/README.md')).toContain(`(${name})`);
  });
});

describe('the Compose file of redis-gateway', () => {
  interface Service {
    readonly image?: string;
    readonly build?: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly ports?: readonly string[];
    readonly volumes?: readonly string[];
    readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
    readonly healthcheck?: { readonly test: readonly string[] };
  }
  interface ScrapeConfig {
    readonly job_name: string;
    readonly dns_sd_configs: readonly { readonly names: readonly string[]; readonly type: string; readonly port: number }[];
  }

  const folder = 'docs/examples/redis-gateway';
  const yaml = <Document>(path: string): Document => parse(read(join(folder, path))) as Document;
  const { services, ...others } = yaml<{ services: Readonly<Record<string, Service>> }>('compose.yaml');
  const named = Object.entries(services);
  const mountsOf = (service: Service): [source: string, target: string][] =>
    (service.volumes ?? []).map((volume) => volume.split(':').slice(0, 2) as [string, string]);

  /** Keys of the Compose specification that the file uses; another one is likely a typing error. */
  const KNOWN = 'image build deploy environment ports depends_on stop_grace_period healthcheck command volumes'.split(' ');

  it('has the four services, each by a build or a pinned image', () => {
    expect(Object.keys(others)).toEqual(['name']);
    expect(Object.keys(services)).toEqual(['gateway', 'redis', 'prometheus', 'grafana']);
    for (const [name, service] of named) {
      expect([name, Object.keys(service).filter((key) => !KNOWN.includes(key))]).toEqual([name, []]);
      expect([name, service.build ?? service.image]).toEqual([name, expect.stringMatching(/^\.$|^[\w/-]+:v?\d+\.\d+[\w.-]*$/)]);
    }
  });

  it('publishes ports on loopback only', () => {
    const ports = named.flatMap(([, service]) => service.ports ?? []);
    expect(ports.filter((port) => !/^127\.0\.0\.1:\d+(?:-\d+)?:\d+$/.test(port))).toEqual([]);
    expect(ports).toHaveLength(3);
  });

  it('mounts files that exist, and waits for services that exist and are checked', () => {
    for (const [, service] of named) {
      for (const [source] of mountsOf(service)) expect([source, existsSync(join(root, folder, source))]).toEqual([source, true]);
      const waited = service.depends_on ?? [];
      for (const name of Array.isArray(waited) ? waited : Object.keys(waited)) expect(services).toHaveProperty(name);
      for (const [name, { condition }] of Array.isArray(waited) ? [] : Object.entries(waited)) {
        expect(condition).toBe('service_healthy');
        expect(services[name].healthcheck?.test[0]).toBe('CMD');
      }
    }
  });

  it('sets variables that the gateway reads', () => {
    const sources = ['settings.ts', 'main.ts'].map((file) => read(join(folder, 'src', file))).join('\n');
    const known = new Set([...sources.matchAll(/\benv\.([A-Z_]+)/g)].map(([, name]) => name));
    expect(Object.keys(services.gateway.environment ?? {}).filter((name) => !known.has(name))).toEqual([]);
    for (const name of known) expect(read(join(folder, 'README.md'))).toContain(`\`${name}\``);
  });

  it('lets Prometheus scrape every gateway and load the alerts', () => {
    const { rule_files: rules, scrape_configs: scrapes } = yaml<{ rule_files: string[]; scrape_configs: ScrapeConfig[] }>('prometheus.yml');
    const targets = mountsOf(services.prometheus).map(([, target]) => target);
    for (const rule of rules) expect(targets).toContain(`/etc/prometheus/${rule}`);
    const [{ names, port }] = scrapes[0].dns_sd_configs;
    expect(names).toEqual(['gateway']);
    expect(services.gateway.ports?.[0]).toMatch(new RegExp(`:${port}$`));
  });

  it('provisions the dashboard with a default data source', () => {
    const { datasources } = yaml<{ datasources: { type: string; url: string; isDefault: boolean }[] }>('grafana/datasources.yml');
    const { providers } = yaml<{ providers: { type: string; options: { path: string } }[] }>('grafana/dashboards.yml');
    expect(datasources).toEqual([expect.objectContaining({ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true })]);
    const mounts = mountsOf(services.grafana);
    const [dashboard] = mounts.filter(([, target]) => target.startsWith(`${providers[0].options.path}/`));
    expect(join(root, folder, dashboard[0])).toBe(join(root, 'docs/grafana-dashboard.json'));
    expect(services.grafana.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(dashboard[1]);
    expect(mounts.map(([, target]) => target)).toEqual(
      expect.arrayContaining([expect.stringMatching(/provisioning\/datasources\//), expect.stringMatching(/provisioning\/dashboards\//)]),
    );
  });

  it('builds an image whose files exist', () => {
    const copied = [...read(join(folder, 'Dockerfile')).matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) =>
      sources.split(' '),
    );
    expect(copied.filter((source) => !source.startsWith('*') && !existsSync(join(root, folder, source)))).toEqual([]);
    expect(copied).toContain('src');
  });

  const isInstalled = spawnSync('promtool', ['--version']).status === 0;
  (isInstalled ? it : it.skip)('has a configuration that promtool accepts', () => {
    const copy = mkdtempSync(join(tmpdir(), 'prometheus-'));
    cpSync(join(root, folder, 'prometheus.yml'), join(copy, 'prometheus.yml'));
    cpSync(join(root, 'docs/prometheus-alerts.yml'), join(copy, 'prometheus-alerts.yml'));
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', join(copy, 'prometheus.yml')], { encoding: 'utf8' });
    rmSync(copy, { recursive: true });
    expect([status, `${stdout}${stderr}`]).toEqual([0, expect.stringContaining('SUCCESS')]);
  });
});
