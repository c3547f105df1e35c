// Decides on the keys of a shared space for as long as it is told, and says how often it did.
import { parentPort } from 'node:worker_threads';
import { flat, freshKey } from './keys.js';
import { engineDecide, NATIVE } from './ours.js';
import type { ThreadTask } from './threads.js';

const decide = engineDecide(NATIVE, 'bench threads');

parentPort?.on('message', ({ keys, forMs }: ThreadTask) => {
  const names = Array.from({ length: keys }, (_, index) => flat(freshKey(index)));
  const end = performance.now() + forMs;
  let count = 0;
  // Not in step with the other thread.
  let at = Math.floor(Math.random() * keys);
  do {
    for (let i = 0; i < 1_000; i++) {
      decide(names[at]);
      at = (at + 7) % keys;
    }
    count += 1_000;
  } while (performance.now() < end);
  parentPort?.postMessage(count);
});
