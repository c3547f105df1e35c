import { createHash } from 'node:crypto';
import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { errorMessage, InvalidConfigurationError } from '../common/errors.js';
import { lazy } from '../common/lazy.js';
import type { LogSink } from '../common/log-sink.js';
import { fieldsOf } from '../common/objects.js';
import { visibleText } from '../common/visible-text.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import { documentOf, type ConfigSection } from '../router/config/config-file.js';
import type { Deployment, ModelListEntry } from '../router/deployments/deployment.js';
import type * as Diff from './configuration-diff.js';
import type { ConfigurationContent } from './configuration-diff.js';
import type { ConfigurationCause, ConfigurationVersion, RejectedConfiguration } from './configuration-version.js';
import type * as Protecting from './protection.js';
import type * as Masking from './masked-values.js';
import type * as Watching from './configuration-watch.js';
import type { ConfigurationWatch } from './configuration-watch.js';

/** A stored model that cannot be used. */
export interface LeftOutModel {
  readonly entry: ModelListEntry;
  /** The path of the invalid value, and the rule that it violates. */
  readonly message: string;
}

/** A configuration that a part of the app has read and checked. */
export interface PreparedConfiguration {
  /** Uses it for requests that begin from now on. Must not throw. */
  apply(): void;
}

/** A configuration that a part of the app is asked to read and check. */
export interface NextConfiguration {
  /** Content of the file, as it is written: variables are not resolved. */
  readonly document: ConfigSection;
}

/**
 * A part of the app that follows the file.
 * @throws InvalidConfigurationError for a content that it cannot use: the whole file is rejected.
 */
export type ConfigurationFollower = (next: NextConfiguration) => PreparedConfiguration;

/** A router's configuration that was read and checked. */
export interface PreparedModels extends PreparedConfiguration {
  readonly deployments: readonly Deployment[];
  /** The id of each entry of the file's list; `undefined` for one that is omitted. */
  readonly listedIds: readonly (string | undefined)[];
  /** The stored entries in use, by id. */
  readonly stored: ReadonlyMap<string, ModelListEntry>;
  readonly leftOut: readonly { readonly entry: ModelListEntry; readonly error: Error }[];
  /** Settings of the file without effect: `section.key`. */
  readonly ignored: readonly string[];
}

/** The router, for a configuration service. */
export interface ConfiguredModels {
  /** The deployments in use. */
  readonly deployments: () => readonly Deployment[];
  /** @throws InvalidConfigurationError naming the option, or the file and the place in it. */
  readonly prepare: (document: ConfigSection | undefined, stored: readonly ModelListEntry[]) => PreparedModels;
}

/** Settings of the admin API by their path: `router_settings.num_retries`. */
export type StoredSettings = ReadonlyMap<string, unknown>;

/** A setting and where it comes from. */
export interface ConfigurationSetting {
  readonly source: 'file' | 'store' | 'unset';
  /** With secrets masked. */
  readonly value?: unknown;
}

/** The parts of the app that a new configuration changes. */
interface Change {
  readonly file?: ConfigSection;
  readonly stored?: readonly ModelListEntry[];
  readonly settings?: StoredSettings;
}

/** Dependencies of a configuration service. */
export interface ConfigurationContext {
  /** LiteLLM's configuration file; `undefined`: the app has only options. */
  readonly path: string | undefined;
  /** Its content at the start. */
  readonly document: ConfigSection | undefined;
  readonly env: Environment | undefined;
  readonly models: ConfiguredModels;
  readonly log: LogSink;
  /** Whether the file is watched, and read again on `SIGHUP`. */
  readonly watch: boolean;
}

const MOST_VERSIONS = 20;
const NOTHING: ConfigSection = {};
const NONE: ReadonlyMap<string, ModelListEntry> = new Map();
const NO_SETTINGS: StoredSettings = new Map();
/** Sections whose settings the admin API can show and add. */
const SETTING_SECTIONS = ['general_settings', 'litellm_settings', 'router_settings'] as const;
const sample = samplesOf('configuration');

/* eslint-disable @typescript-eslint/no-require-imports -- each is loaded when it is first used */
const diffing = lazy(() => require('./configuration-diff.js') as typeof Diff);
const protecting = lazy(() => require('./protection.js') as typeof Protecting);
const masking = lazy(() => require('./masked-values.js') as typeof Masking);
const watching = lazy(() => require('./configuration-watch.js') as typeof Watching);
/* eslint-enable */

/**
 * Changes the configuration while the app runs. A new file is read and checked completely, then
 * applied as a whole: calls in flight finish with the configuration that they started with. A file
 * that is invalid, or that would remove protection, changes nothing.
 */
export class ConfigurationService implements Capability {
  readonly capability = 'configuration';

  /** The file, as it is written. */
  private file: ConfigSection;
  /** The file together with the stored settings. */
  private document: ConfigSection;
  private stored: readonly ModelListEntry[] = [];
  private settings: StoredSettings = NO_SETTINGS;
  /** `undefined` before the first change: the start keeps nothing that only changes need. */
  private content: ConfigurationContent | undefined = undefined;
  private ignored: readonly string[] = [];
  private fileIds: ReadonlySet<string> | undefined = undefined;
  private leftOutModels: readonly LeftOutModel[] = [];
  private versions: readonly ConfigurationVersion[];
  private refused: RejectedConfiguration | null = null;
  private readonly counts = { applied: 0, unchanged: 0, rejected: 0 };
  private readonly followers: ConfigurationFollower[] = [];
  private readonly listeners: ((version: ConfigurationVersion) => void)[] = [];
  private watch: ConfigurationWatch | undefined = undefined;

  /** @internal Made by `FastLiteLLM`. */
  constructor(private readonly context: ConfigurationContext) {
    this.file = context.document ?? NOTHING;
    this.document = this.file;
    this.versions = [{ version: 1, at: new Date(), digest: digestOf(this.document, []), cause: 'start', changes: [] }];
    if (context.watch) this.follows();
  }

  /** The configuration in use. */
  current(): ConfigurationVersion {
    return this.versions[0];
  }

  /** The last 20 configurations, the newest first. */
  history(): readonly ConfigurationVersion[] {
    return this.versions;
  }

  /** The newest configuration if it was rejected, otherwise `null`. */
  rejected(): RejectedConfiguration | null {
    return this.refused;
  }

  /** Ids of the deployments that the file and the app's options define. */
  fileModelIds(): ReadonlySet<string> {
    return (this.fileIds ??= new Set(this.context.models.deployments().map(({ id }) => id)));
  }

  /** Stored models that cannot be used, with the reason. */
  leftOut(): readonly LeftOutModel[] {
    return this.leftOutModels;
  }

  /**
   * Reads the file again, and applies it if it has changed. Returns the configuration in use.
   * @throws InvalidConfigurationError naming the path and the rule; nothing changes then.
   */
  async reload(cause: ConfigurationCause): Promise<ConfigurationVersion> {
    const { path } = this.context;
    try {
      if (path === undefined) throw new InvalidConfigurationError('router.configPath', 'must be set to reload the configuration');
      const version = this.apply(cause, { file: documentOf(path) });
      if (this.refused !== null) this.context.log.log(`Configuration: the file is valid again; version ${version.version} is in use`);
      this.refused = null;
      return version;
    } catch (error) {
      throw this.reject(cause, error);
    }
  }

  /**
   * Adds these models of the admin API, in LiteLLM's format, to those of the file, and replaces the
   * models of an earlier call. Their values cannot refer to environment variables or files.
   *
   * @param isStart Whether invalid models are skipped and reported instead of causing an error.
   * Models that were skipped before are skipped again in any case.
   * @throws InvalidConfigurationError naming the model; nothing changes then.
   */
  useStoredModels(entries: readonly ModelListEntry[], { isStart = false }: { readonly isStart?: boolean } = {}): void {
    this.apply('store', { stored: entries }, isStart);
  }

  /**
   * Uses these settings of the admin API (`router_settings.num_retries`) if the file does not set
   * them, and replaces those of an earlier call. Their values cannot refer to environment variables
   * or files.
   * @throws InvalidConfigurationError naming the setting; nothing changes then.
   */
  useStoredSettings(settings: StoredSettings): void {
    this.apply('store', { settings });
  }

  /**
   * Checks settings as `useStoredSettings` does, but changes nothing.
   * @throws InvalidConfigurationError naming the setting; also if it has no effect, or takes effect
   * only at the next start, which would not read it.
   */
  checkStoredSettings(settings: StoredSettings): void {
    const document = withSettings(this.file, settings);
    const next = this.prepare(document);
    this.checkProtection(document, next);
    const ignored = new Set(next.ignored);
    for (const path of settings.keys()) {
      const effect = diffing().effectOf(path, ignored);
      if (effect === 'none') throw new InvalidConfigurationError(path, 'has no effect here');
      if (effect === 'next_start')
        throw new InvalidConfigurationError(path, 'can only be set in the configuration file, because it takes effect at the next start');
    }
  }

  /**
   * Returns the source of a setting (`router_settings.num_retries`), and its value with secrets
   * masked.
   */
  settingAt(path: string): ConfigurationSetting {
    const [section, key] = keysOf(path);
    const ofFile = fieldsOf(this.file[section])[key];
    if (ofFile !== undefined) return { source: 'file', value: masking().maskedValue([section, key], ofFile) };
    if (this.settings.has(path)) return { source: 'store', value: masking().maskedValue([section, key], this.settings.get(path)) };
    return { source: 'unset' };
  }

  /** Returns the settings that the file or the store sets: `section.key`. */
  settingPaths(): readonly string[] {
    const ofFile = SETTING_SECTIONS.flatMap((section) => Object.keys(fieldsOf(this.file[section])).map((key) => `${section}.${key}`));
    return [...new Set([...ofFile, ...this.settings.keys()])];
  }

  /** Calls `listener` after each change. */
  onApplied(listener: (version: ConfigurationVersion) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Adds a part of the app that follows the file. Returns a function that removes it.
   * @internal
   */
  follow(follower: ConfigurationFollower): () => void {
    this.followers.push(follower);
    return () => void this.followers.splice(this.followers.indexOf(follower), 1);
  }

  /** Watches the file, and reads it again on `SIGHUP`, as with `router.watch`. @internal */
  follows(): void {
    const { path, log } = this.context;
    if (path === undefined) return;
    const reload = (cause: ConfigurationCause): Promise<unknown> => this.reload(cause).catch(() => {});
    this.watch ??= new (watching().ConfigurationWatch)(path, { reload, log });
  }

  metrics(): readonly MetricSample[] {
    const help = 'Times that the configuration was read again, by outcome.';
    return [
      sample('version', 'Number of the configuration in use, counted from the start of the process.', 'gauge', this.current().version),
      sample('rejected', 'Whether the newest configuration was rejected (1) or is in use (0).', 'gauge', this.refused === null ? 0 : 1),
      ...(['applied', 'unchanged', 'rejected'] as const).map((outcome) =>
        sample('reloads_total', help, 'counter', this.counts[outcome], { outcome }),
      ),
    ];
  }

  /** `degraded` while the newest configuration is rejected, or a stored model cannot be used. */
  health(): CapabilityHealth {
    const { version, at, digest } = this.current();
    const facts = { engine: 'typescript', version, at: at.toISOString(), digest } as const;
    const left = this.leftOutModels;
    if (this.refused !== null)
      return { ...facts, status: 'degraded', reason: `the newest configuration is rejected: ${this.refused.message}` };
    if (left.length === 0) return { ...facts, status: 'ok' };
    return { ...facts, status: 'degraded', reason: `${left.length} stored models cannot be used: ${left[0].message}` };
  }

  /** Stops watching the file. */
  close(): void {
    this.watch?.close();
    this.watch = undefined;
  }

  private apply(cause: ConfigurationCause, change: Change, isLenient = false): ConfigurationVersion {
    const { file = this.file, stored = this.stored, settings = this.settings } = change;
    const isSame = file === this.file && settings === this.settings;
    const document = isSame ? this.document : withSettings(file, settings);
    const digest = digestOf(document, stored);
    if (digest === this.current().digest) {
      this.counts.unchanged++;
      return this.current();
    }
    this.content ??= this.firstContent();
    const next = this.prepare(document, stored);
    const leftOut = next.leftOut.map(({ entry, error }) => ({ entry, message: errorMessage(error), error }));
    if (cause === 'store' && !isLenient) this.checkLeftOut(leftOut);
    if (document !== this.document) this.checkProtection(document, next);
    const prepared = [next, ...this.followers.map((follower) => follower({ document }))];

    // Nothing throws from here on, and nothing else runs in between.
    for (const part of prepared) part.apply();
    const content = { document, ids: next.listedIds, stored: next.stored };
    const changes = diffing().configurationDiff(this.content, content, new Set([...this.ignored, ...next.ignored]));
    this.content = content;
    this.ignored = next.ignored;
    this.document = document;
    this.file = file;
    this.stored = stored;
    this.settings = settings;
    this.fileIds = new Set(next.deployments.flatMap(({ id }) => (next.stored.has(id) ? [] : [id])));
    this.leftOutModels = leftOut;
    const version = { version: this.current().version + 1, at: new Date(), digest, cause, changes };
    this.versions = [version, ...this.versions].slice(0, MOST_VERSIONS);
    this.counts.applied++;
    this.report(version, leftOut);
    for (const listener of this.listeners) this.tell(listener, version);
    return version;
  }

  private prepare(document: ConfigSection, stored = this.stored): PreparedModels {
    const hasDocument = this.context.document !== undefined || document !== NOTHING;
    return this.context.models.prepare(hasDocument ? document : undefined, stored);
  }

  /** The configuration of the start, for the first comparison. */
  private firstContent(): ConfigurationContent {
    const { document } = this;
    try {
      const { listedIds, ignored } = this.context.models.prepare(this.context.document, []);
      this.ignored = ignored;
      return { document, ids: listedIds, stored: NONE };
    } catch {
      // A file that it refers to, such as a tokenizer's, no longer exists.
      return { document, ids: [], stored: NONE };
    }
  }

  private checkProtection(document: ConfigSection, { deployments, stored }: PreparedModels): void {
    const { path = '', env, models } = this.context;
    const isOfFile = this.fileModelIds();
    protecting().checkProtection(
      { path, env, document: this.document, deployments: models.deployments().filter(({ id }) => isOfFile.has(id)) },
      { path, env, document, deployments: deployments.filter(({ id }) => !stored.has(id)) },
    );
  }

  /** @throws the error of a model that was not left out before */
  private checkLeftOut(leftOut: readonly (LeftOutModel & { readonly error: Error })[]): void {
    const known = new Set(this.leftOutModels.map(({ entry }) => JSON.stringify(entry)));
    const fresh = leftOut.find(({ entry }) => !known.has(JSON.stringify(entry)));
    if (fresh !== undefined) throw fresh.error;
  }

  /** A listener that fails must not make an applied configuration look rejected. */
  private tell(listener: (version: ConfigurationVersion) => void, version: ConfigurationVersion): void {
    try {
      listener(version);
    } catch (error) {
      this.context.log.error(`Configuration: a listener failed while handling version ${version.version} (${errorMessage(error)})`);
    }
  }

  /** Keeps and logs why a configuration is not applied. */
  private reject(cause: ConfigurationCause, error: unknown): Error {
    const message = visibleText(errorMessage(error));
    const isNew = this.refused?.message !== message;
    this.refused = { at: new Date(), cause, message };
    this.counts.rejected++;
    // Report a polled file only once.
    if (isNew) this.context.log.error(`Configuration: rejected (${message}); version ${this.current().version} stays in use`);
    return error instanceof Error ? error : new InvalidConfigurationError(this.context.path ?? 'router.configPath', message);
  }

  private report({ version, changes, cause }: ConfigurationVersion, leftOut: readonly LeftOutModel[]): void {
    const { log } = this.context;
    log.log(`Configuration: version ${version} in use (${cause}, ${changes.length} changes)`);
    const later = changes.flatMap(({ path, effect }) => (effect === 'next_start' ? [path] : []));
    if (later.length > 0) log.warn(`Configuration: these changes take effect at the next start: ${visibleText(later.join(', '))}`);
    for (const { message } of leftOut) log.warn(`Configuration: ${visibleText(message)}; the model is not used`);
  }
}

/**
 * The file, with the settings that it does not set.
 * @throws InvalidConfigurationError for a setting that names a variable: it is not from the
 * operator.
 */
function withSettings(file: ConfigSection, settings: StoredSettings): ConfigSection {
  if (settings.size === 0) return file;
  const merged: Record<string, unknown> = { ...file };
  for (const [path, value] of settings) {
    const [section, key] = keysOf(path);
    if (JSON.stringify(value)?.includes('os.environ/') === true)
      throw new InvalidConfigurationError(path, 'must not refer to an environment variable, because only the configuration file can');
    const set = fieldsOf(merged[section]);
    if (set[key] === undefined) merged[section] = { ...set, [key]: value };
  }
  return merged;
}

/** @throws InvalidConfigurationError for a path in another section. */
function keysOf(path: string): readonly [section: string, key: string] {
  const at = path.indexOf('.');
  const [section, key] = [path.slice(0, Math.max(at, 0)), path.slice(at + 1)];
  if ((SETTING_SECTIONS as readonly string[]).includes(section) && key !== '') return [section, key];
  throw new InvalidConfigurationError(visibleText(path), `must be a setting in ${SETTING_SECTIONS.join(', ')}`);
}

/** A hash of the content, which does not depend on the order of keys. */
function digestOf(document: ConfigSection, stored: readonly ModelListEntry[]): string {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : typeof value === 'bigint'
        ? `${value}n`
        : value;
  return createHash('sha256')
    .update(JSON.stringify([document, stored], sorted))
    .digest('hex')
    .slice(0, 16);
}
