import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { openNativeBinding } from '../../engine/native-binding.js';
import { readChatTemplate } from './chat-template-file.js';
import { packTokenizer } from './pack.js';
import type { PackingAnswer, PackingTask } from './packing.js';
import { readTokenizer } from './read-tokenizer.js';

/** Other processes see the whole file or none. */
function keep(packed: Buffer, file: string): string | undefined {
  const part = `${file}.${process.pid}.part`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    removePart(part);
    // Never follow a link that another user of the folder may have put there.
    writeFileSync(part, packed, { flag: 'wx' });
    renameSync(part, file);
    return undefined;
  } catch (error) {
    removePart(part);
    return (error as Error).message;
  }
}

function removePart(part: string): void {
  try {
    rmSync(part, { force: true });
  } catch {
    // Its folder is none.
  }
}

function answer({ file, split, target, isNative }: PackingTask): PackingAnswer {
  try {
    const packed = packTokenizer(readTokenizer(file, split, isNative ? openNativeBinding().binding : null), readChatTemplate(file));
    const notKept = target === null ? undefined : keep(packed, target);
    return { packed: new Uint8Array(packed), notKept };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

const found = answer(workerData as PackingTask);
parentPort?.postMessage(found, found.packed === undefined ? [] : [found.packed.buffer as ArrayBuffer]);
