import { randomUUID } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { FastLiteLLMError } from './errors.js';
import { readRegularFile } from './regular-file.js';
import { OWNER_ONLY, removeDrafts, replaceFile } from './replace-file.js';

const LOCK_RETRY_MS = 20;
const LOCK_WAIT_MS = 5_000;
/** A process writes within milliseconds: an older lock is that of one that died. */
const STALE_LOCK_MS = 10_000;

/**
 * Replaces a file of which this process has the lock.
 * @throws LockLost for a process that was stopped for so long that another one took its lock.
 */
export async function writeLocked(file: string, text: string, isHeld: () => Promise<boolean>): Promise<void> {
  await removeDrafts(file);
  return replaceFile(file, OWNER_ONLY, async (draft) => {
    await draft.writeFile(text);
    // Checked here, because it can take long.
    await draft.sync();
    if (!(await isHeld())) throw new LockLost();
  });
}

/** The lock was lost: the change is repeated on the file that the other process has written. */
class LockLost extends Error {}

/**
 * Runs `work` while no other process does so. The lock is a file with a text of its owner.
 * @throws FastLiteLLMError with `code` if another process keeps the lock for 5 seconds
 */
export async function withFileLock<T>(lock: string, code: string, work: (isHeld: () => Promise<boolean>) => Promise<T>): Promise<T> {
  const owner = randomUUID();
  const untilMs = performance.now() + LOCK_WAIT_MS;
  const isHeld = async (): Promise<boolean> => (await ownerOf(lock)) === owner;
  for (;;) {
    if (await take(lock, owner)) {
      try {
        return await work(isHeld);
      } catch (error) {
        if (!(error instanceof LockLost)) throw error;
      } finally {
        if (await isHeld()) await rm(lock, { force: true });
      }
    }
    if (performance.now() > untilMs) {
      throw new FastLiteLLMError(code, `another process has held the lock ${lock} for more than ${LOCK_WAIT_MS} ms`);
    }
    await sleep(LOCK_RETRY_MS);
  }
}

async function take(lock: string, owner: string): Promise<boolean> {
  try {
    const made = await open(lock, 'wx', OWNER_ONLY);
    try {
      await made.writeFile(owner);
    } catch (error) {
      // On a full disk, a lock without an owner would block all others until it is stale.
      await rm(lock, { force: true });
      throw error;
    } finally {
      await made.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const held = await stat(lock).catch(() => undefined);
  if (held !== undefined && Date.now() - held.mtimeMs > STALE_LOCK_MS) await removeStale(lock, owner);
  return false;
}

/** Of several processes that find a stale lock one removes it, and none removes a new one. */
async function removeStale(lock: string, owner: string): Promise<void> {
  const removed = `${lock}.${owner}`;
  try {
    await rename(lock, removed);
  } catch {
    return; // Another process was first.
  }
  const { mtimeMs } = await stat(removed);
  // Another process has removed the stale lock in the meantime; this lock is in use.
  if (Date.now() - mtimeMs <= STALE_LOCK_MS) await link(removed, lock).catch(() => {});
  await rm(removed, { force: true });
}

async function ownerOf(lock: string): Promise<string | undefined> {
  return readRegularFile(lock).then(
    (owner) => owner.toString(),
    () => undefined,
  );
}
