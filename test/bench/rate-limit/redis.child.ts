// Asks Redis from a fresh process, which is idle between two answers. Argument: the task as JSON.
import { redisRows, type RedisTask } from './redis.js';

async function main(): Promise<void> {
  console.log(JSON.stringify(await redisRows(JSON.parse(process.argv[2]) as RedisTask)));
  process.exit(0);
}

void main();
