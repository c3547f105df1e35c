import { execFile, fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** What `ask` answers when the child did not, in time. */
export const TIMED_OUT = Symbol('timed out');

/**
 * A process that answers messages one by one; killed and restarted on time-out, as native code must
 * be.
 */
export class PatientChild {
  private child?: ChildProcess;

  constructor(private readonly file: string) {}

  /**
   * Sends `message`. Resolves with the answer, or `TIMED_OUT` after `timeoutMs`; rejects on exit.
   */
  ask<T>(message: object, timeoutMs: number): Promise<T | typeof TIMED_OUT> {
    const child = (this.child ??= fork(this.file, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        child.off('message', answered).off('exit', ended);
        then();
      };
      const answered = (answer: unknown): void => settle(() => resolve(answer as T));
      const ended = (code: number | null, signal: string | null): void => {
        this.child = undefined;
        settle(() => reject(new Error(`the process ended by itself (${signal ?? code})`)));
      };
      const timer = setTimeout(() => {
        settle(() => resolve(TIMED_OUT));
        this.close();
      }, timeoutMs);
      child.once('message', answered).once('exit', ended);
      child.send(message);
    });
  }

  close(): void {
    this.child?.kill('SIGKILL');
    this.child = undefined;
  }
}

/** Runs a script in a fresh process and parses the last line of its output as JSON. */
export function runForJson<T>(file: string, args: readonly string[], nodeOptions: readonly string[] = [], timeoutMs = 60_000): Promise<T> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...nodeOptions, file, ...args], { timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr.trim().split('\n').at(-1) ?? error.message));
      else resolve(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as T);
    });
  });
}
