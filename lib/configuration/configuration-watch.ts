import { statSync, watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { documentOf } from '../router/config/config-file.js';
import type { ConfigurationCause } from './configuration-version.js';

/** Receivers of a watch. */
export interface WatchContext {
  /** Reads the file again. Never rejects. */
  readonly reload: (cause: ConfigurationCause) => Promise<unknown>;
  readonly log: LogSink;
}

/** Network file systems and some containers report no changes. */
const POLL_MS = 2_000;
/** How long a file must stay the same: editors and copies write in several steps. */
const SETTLE_MS = 100;

/**
 * Reloads a configuration when its file changes, or on `SIGHUP`. Watches the folder and not the
 * file, because editors replace the file and Kubernetes replaces a symbolic link next to it; and
 * compares the file every two seconds, for file systems that report nothing.
 */
export class ConfigurationWatch {
  private readonly timer: NodeJS.Timeout;
  private readonly watchers: FSWatcher[] = [];
  private files: readonly string[];
  private known: string;
  private checking: Promise<void> | undefined = undefined;
  private isClosed = false;
  private readonly onSignal = (): void => void this.context.reload('signal');
  private readonly onEvent = (): void => void this.check();

  constructor(
    private readonly path: string,
    private readonly context: WatchContext,
  ) {
    this.files = filesOf(path);
    this.known = fingerprint(this.files);
    this.open(dirname(path));
    this.timer = setInterval(this.onEvent, POLL_MS);
    this.timer.unref();
    process.on('SIGHUP', this.onSignal);
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    process.off('SIGHUP', this.onSignal);
    for (const watcher of this.watchers) watcher.close();
  }

  private open(folder: string): void {
    const failed = (error: unknown): void =>
      this.context.log.warn(
        `Configuration: cannot watch ${folder} (${errorMessage(error)}); checking the file every ${POLL_MS / 1000} s instead`,
      );
    try {
      const watcher = watch(folder, { persistent: false }, this.onEvent);
      watcher.on('error', (error) => {
        watcher.close();
        if (!this.isClosed) failed(error);
      });
      this.watchers.push(watcher);
    } catch (error) {
      failed(error);
    }
  }

  /** Reloads once the files have changed and stay the same. */
  private check(): Promise<void> | undefined {
    if (this.checking !== undefined || this.isClosed) return this.checking;
    if (fingerprint(this.files) === this.known) return undefined;
    this.checking = this.settled().finally(() => (this.checking = undefined));
    return this.checking;
  }

  private async settled(): Promise<void> {
    for (let seen = fingerprint(this.files); !this.isClosed;) {
      await delay(SETTLE_MS, undefined, { ref: false });
      const now = fingerprint(this.files);
      if (now !== seen) {
        seen = now;
        continue;
      }
      this.known = now;
      await this.context.reload('watch');
      const files = filesOf(this.path);
      // From here on, changes of included files are compared, too.
      if (files.join('\n') !== this.files.join('\n')) {
        this.files = files;
        this.known = fingerprint(files);
      }
      if (fingerprint(this.files) === this.known) return;
      seen = fingerprint(this.files);
    }
  }
}

/** The file and those that it includes; the file alone while it cannot be read. */
function filesOf(path: string): readonly string[] {
  const files: string[] = [];
  try {
    documentOf(path, files);
    return files;
  } catch {
    return files.length === 0 ? [path] : files;
  }
}

/** Differs after each change of one of the files, also where a symbolic link points elsewhere. */
function fingerprint(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file);
        return [dev, ino, size, mtimeMs, ctimeMs].join(':');
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? 'missing';
      }
    })
    .join('\n');
}
