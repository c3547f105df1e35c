import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage } from '../errors.js';
import { isReplyError, type RedisClient, type SendCommand } from './client.js';

/**
 * Reads a Lua script, with the files of the same folder that its `-- include: NAME` lines name.
 * Comment lines are omitted and names in capitals are replaced by their numbers.
 */
export function readLua(folder: string, file: string, numbers: Readonly<Record<string, number>> = {}): string {
  return readFileSync(join(folder, file), 'utf8')
    .replace(/^-- include: (\S+)$/gm, (_, name: string) => readLua(folder, name))
    .replace(/^[ \t]*--.*\n/gm, '')
    .replace(/\b[A-Z][A-Z_]+\b/g, (name) => String(numbers[name] ?? name));
}

/**
 * A script on one client: called by its hash, and sent in full to a Redis that does not have it
 * (restarted, or a replica that took over).
 */
export class LuaScript {
  private readonly sha: string;
  private readonly evalsha: SendCommand;
  private readonly eval: SendCommand;

  constructor(
    private readonly client: RedisClient,
    private readonly text: string,
    /** Whether replies are read as bytes or as text. */
    reply: 'buffer' | 'string',
  ) {
    this.sha = createHash('sha1').update(text).digest('hex');
    this.evalsha = client.createBuiltinCommand('evalsha')[reply];
    this.eval = client.createBuiltinCommand('eval')[reply];
  }

  async run(keys: readonly string[], values: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.evalsha.call(this.client, this.sha, keys.length, ...keys, ...values);
    } catch (error) {
      if (!isReplyError(error) || !errorMessage(error).startsWith('NOSCRIPT')) throw error;
      return await this.eval.call(this.client, this.text, keys.length, ...keys, ...values);
    }
  }
}
