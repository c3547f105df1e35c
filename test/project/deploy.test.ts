import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { FLAGS } from '../../lib/cli/serve/serve-flags.environment.js';
import { environmentOf, parseDockerfile, wordsOf } from '../support/dockerfile.js';
import { root } from './sources.js';

const deploy = join(root, 'deploy');
const textOf = (path: string): string => readFileSync(join(deploy, path), 'utf8');

const [, guide] = readFileSync(join(root, 'docs/serve.md'), 'utf8').split('\n## Variables\n');
const [table] = guide.split('Accepted, and named at the start');
/** Variables of flags with an effect, and those of the guide's table, whose values have no underscore. */
const known = new Set<string>([
  ...Object.values(FLAGS).flatMap(({ env, ignored }) => (env === undefined || ignored !== undefined ? [] : env)),
  ...table.split('\n').flatMap((line) => (line.startsWith('| `') ? [...line.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, name]) => name) : [])),
  // Node's.
  'NODE_OPTIONS',
]);
const unknown = (names: readonly string[], config: string): string[] =>
  names.filter((name) => !known.has(name) && !config.includes(`os.environ/${name}`));

interface Container {
  readonly args: readonly string[];
  readonly env: readonly { name: string; value: string }[];
  readonly envFrom: readonly { secretRef: { name: string } }[];
  readonly ports: readonly { name: string; containerPort: number }[];
  readonly volumeMounts: readonly { name: string; mountPath: string; subPath?: string }[];
  readonly securityContext: object;
  readonly readinessProbe: { httpGet: object };
  readonly livenessProbe: { httpGet: object };
}
interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: object;
  readonly containers: readonly [Container];
  readonly volumes: readonly { name: string; configMap?: { name: string } }[];
}
interface Resource {
  readonly kind: string;
  readonly metadata: { name: string };
  readonly data?: Record<string, string>;
  readonly stringData?: Record<string, string>;
  readonly spec: {
    readonly selector: Record<string, unknown>;
    readonly template: { metadata: { labels: object }; spec: PodSpec };
    readonly ports: readonly { targetPort: string }[];
  };
}
interface Service {
  readonly image: string;
  readonly environment?: Record<string, string>;
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly secrets?: readonly string[];
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
}
interface Compose {
  readonly services: Record<string, Service>;
  readonly secrets: Record<string, { environment: string }>;
  readonly volumes: Record<string, unknown>;
}

it('knows variables from values, and from variables without effect', () => {
  const names = ['DATABASE_HOST', 'REDIS_PASSWORD', 'LITELLM_SALT_KEY', 'PORT', 'FAST_LITELLM_DRAIN_TIMEOUT'];
  expect(
    unknown([...names, 'PRODUCTION', 'DEBUG_LEVEL', 'INFO', 'UI_USERNAME', 'REDIS_CLUSTER_NODES', 'MAX_REQUESTS_BEFORE_RESTART'], ''),
  ).toEqual(['PRODUCTION', 'DEBUG_LEVEL', 'INFO', 'UI_USERNAME', 'REDIS_CLUSTER_NODES', 'MAX_REQUESTS_BEFORE_RESTART']);
});

describe('the image', () => {
  const stages = parseDockerfile(textOf('image/Dockerfile'));
  const last = stages[stages.length - 1];

  it('ends with a stage without shell and npm, as a user without rights', () => {
    expect(last.base).toMatch(/^gcr\.io\/distroless\/nodejs\d+-debian\d+:nonroot$/);
    expect(last.instructions.filter(({ name }) => name === 'RUN')).toEqual([]);
    expect(last.instructions).toContainEqual({ name: 'USER', text: '65532:65532' });
    expect(unknown(Object.keys(environmentOf(last)), '')).toEqual([]);
  });

  it('asks for its health with the program that it starts', () => {
    expect(wordsOf(last, 'HEALTHCHECK')).toEqual([...wordsOf(last, 'ENTRYPOINT'), '--health']);
  });

  it('copies only what .dockerignore lets in', () => {
    const copied = stages.flatMap(({ instructions }) =>
      instructions.filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from')),
    );
    const names = copied.flatMap(({ text }) => text.split(' ').slice(0, -1));
    const allowed = textOf('image/.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    expect(names.map((name) => `!${name}`).sort()).toEqual(allowed.sort());
  });

  it('installs the versions that the tests use', () => {
    type Lock = { packages: Record<string, { version: string; integrity?: string }> };
    const [own, image] = [join(root, 'package-lock.json'), join(deploy, 'image/package-lock.json')].map(
      (file) => (JSON.parse(readFileSync(file, 'utf8')) as Lock).packages,
    );
    const differing = Object.keys(image).filter((path) => path !== '' && image[path].integrity !== own[path]?.integrity);
    // To write it: `npm install --package-lock-only --prefix deploy/image`, after package.json and with the root's lock file there.
    expect(differing).toEqual([]);
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object };
    expect(Object.keys(image)).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies).map((name) => `node_modules/${name}`)));
  });
});

describe('deploy/compose.yaml', () => {
  const text = textOf('compose.yaml');
  const { services, secrets, volumes } = parse(text) as Compose;

  it('refers to files and volumes that exist', () => {
    const sources = Object.values(services).flatMap((service) => (service.volumes ?? []).map((volume) => volume.split(':')[0]));
    expect(sources.filter((source) => (source.startsWith('.') ? !existsSync(join(deploy, source)) : !(source in volumes)))).toEqual([]);
    const alerts = parse(textOf('prometheus/prometheus.yml')) as { rule_files: string[] };
    for (const path of alerts.rule_files) expect(services.prometheus.volumes?.some((volume) => volume.includes(`:${path}:`))).toBe(true);
    for (const name of Object.values(services).flatMap((service) => service.secrets ?? [])) expect(secrets[name]).toBeDefined();
    expect(textOf('grafana/dashboards.yaml')).toContain('path: /etc/grafana/dashboards');
    expect(textOf('grafana/datasources.yaml')).toContain('http://prometheus:9090');
  });

  it('has no passwords, and publishes ports only on this machine by default', () => {
    const example = new Map(
      textOf('.env.example')
        .split('\n')
        .flatMap((line) => [/^([A-Z_]+)=(.*)$/.exec(line)?.slice(1) as [string, string]])
        .filter(Boolean),
    );
    const variables = [...text.matchAll(/\$\{([A-Z_]+)(:[-?])/g)].map(([, name, rule]) => ({ name, rule }));
    expect(variables.filter(({ name }) => !example.has(name) && name !== 'GATEWAY_IMAGE')).toEqual([]);
    expect(variables.filter(({ name, rule }) => /MASTER_KEY|SALT|PASSWORD/.test(name) && rule !== ':?')).toEqual([]);
    expect([...example].filter(([, value]) => value !== '')).toEqual([['PUBLISH_ADDRESS', '127.0.0.1']]);
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
    expect(published).toEqual([
      ['gateway', '${PUBLISH_ADDRESS:-127.0.0.1}:4000:4000'],
      // Without a login.
      ['prometheus', '127.0.0.1:9090:9090'],
      ['grafana', '${PUBLISH_ADDRESS:-127.0.0.1}:3001:3000'],
    ]);
    expect(services.postgres.ports ?? services.redis.ports).toBeUndefined();
  });

  it('sets variables that serve knows, and waits for streams', () => {
    const { gateway } = services;
    const environment = gateway.environment ?? {};
    expect(unknown(Object.keys(environment), textOf('config/config.yaml'))).toEqual([]);
    expect(parseInt(gateway.stop_grace_period ?? '', 10)).toBeGreaterThan(Number(environment.FAST_LITELLM_DRAIN_TIMEOUT));
    expect(gateway.read_only).toBe(true);
  });
});

describe('deploy/kubernetes.yaml', () => {
  const resources = parseAllDocuments(textOf('kubernetes.yaml')).map((document) => document.toJS() as Resource);
  const only = (kind: string): Resource => {
    const [first, ...others] = resources.filter((one) => one.kind === kind);
    expect(others).toEqual([]);
    return first;
  };
  const { spec } = only('Deployment');
  const pod = spec.template.spec;
  const [container] = pod.containers;
  const config = only('ConfigMap').data?.['config.yaml'] ?? '';

  it('selects the pods with service and disruption budget', () => {
    const { labels } = spec.template.metadata;
    expect(spec.selector.matchLabels).toEqual(labels);
    expect(only('Service').spec.selector).toEqual(labels);
    expect(only('PodDisruptionBudget').spec.selector.matchLabels).toEqual(labels);
    expect(container.ports.map(({ name }) => name)).toEqual([only('Service').spec.ports[0].targetPort]);
  });

  it('sets variables that serve knows', () => {
    const secret = only('Secret');
    expect(container.envFrom[0].secretRef.name).toBe(secret.metadata.name);
    const names = [...container.env.map(({ name }) => name), ...Object.keys(secret.stringData ?? {})];
    expect(unknown(names, config)).toEqual([]);
    expect(Object.values(secret.stringData ?? {}).join('')).toBe('');
  });

  it('probes, drains and restricts the container', () => {
    expect(container.readinessProbe.httpGet).toEqual({ path: '/health/readiness', port: 'http' });
    expect(container.livenessProbe.httpGet).toEqual({ path: '/health/liveliness', port: 'http' });
    const seconds = (name: string): number => Number(container.env.find((one) => one.name === name)?.value);
    const drain = seconds('FAST_LITELLM_NOTICE_TIMEOUT') + seconds('FAST_LITELLM_DRAIN_TIMEOUT');
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(drain + 10);
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65532 });
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  });

  it('mounts the folder of the file, whose changes reach the pod', () => {
    const mount = container.volumeMounts.find(({ mountPath }) => container.args[1].startsWith(`${mountPath}/`));
    expect(mount?.subPath).toBeUndefined();
    expect(pod.volumes.find(({ name }) => name === mount?.name)?.configMap?.name).toBe(only('ConfigMap').metadata.name);
    expect(container.args[1].endsWith('/config.yaml')).toBe(true);
  });
});
