import { FetchReply } from './fetch-reply.js';

describe('FetchReply', () => {
  const reads = async (response: Response): Promise<[string, unknown]> => {
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    let text = '';
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return [text, undefined];
        text += Buffer.from(value).toString();
      }
    } catch (error) {
      return [text, error];
    }
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('answers with a length once the body is there, with early headers and without absent ones', async () => {
    const reply = new FetchReply(undefined);
    reply.setHeader('x-early', 'a');
    reply.setHeader('x-both', 'a');
    expect(reply.getHeaders()).toEqual({ 'x-early': 'a', 'x-both': 'a' });
    expect(reply.headersSent).toBe(false);
    reply.writeHead(201, { 'content-length': 2, 'x-both': 'b', 'x-absent': undefined });
    expect(reply.headersSent).toBe(true);
    // There is no stream to write to.
    expect(reply.write('lost')).toBe(true);
    reply.end(Buffer.from('ok'));
    const answer = await reply.answered;
    expect([answer.status, await answer.text()]).toEqual([201, 'ok']);
    expect(Object.fromEntries(answer.headers)).toEqual({ 'content-length': '2', 'x-early': 'a', 'x-both': 'b' });
  });

  it('answers with a stream at its head, waits for the reader of a full one, and ends it', async () => {
    const reply = new FetchReply(undefined);
    reply.writeHead(200, {});
    const answer = await reply.answered;
    let drains = 0;
    reply.on('drain', () => drains++);
    expect(reply.write('a'.repeat(64 * 1024 - 1))).toBe(true);
    expect(reply.write(Buffer.from('b'))).toBe(false);
    await turn();
    const before = drains;
    const read = reads(answer);
    await turn();
    expect(drains).toBeGreaterThan(before);
    reply.end();
    expect(await read).toEqual([`${'a'.repeat(64 * 1024 - 1)}b`, undefined]);
  });

  it('breaks a stream off, and writes nothing more', async () => {
    const reply = new FetchReply(undefined);
    reply.writeHead(200, {});
    const read = reads(await reply.answered);
    reply.destroy();
    reply.destroy();
    expect(reply.destroyed).toBe(true);
    expect(reply.write('late')).toBe(true);
    reply.end();
    expect(await read).toEqual(['', new TypeError('terminated')]);
  });

  it('is closed when its reader leaves', async () => {
    const controller = new AbortController();
    const reply = new FetchReply(controller.signal);
    reply.writeHead(200, {});
    let closes = 0;
    reply.on('close', () => closes++);
    await (await reply.answered).body?.cancel();
    expect([reply.destroyed, closes]).toEqual([true, 1]);
    controller.abort();
    reply.destroy();
    reply.end();
    expect(closes).toBe(1);
  });

  it.each(['before the head', 'in a stream'])('fails with the reason of a signal that is aborted %s', async (when) => {
    const [controller, reason] = [new AbortController(), new Error('no longer needed')];
    const reply = new FetchReply(controller.signal);
    let closes = 0;
    reply.on('close', () => closes++);
    if (when === 'in a stream') {
      reply.writeHead(200, {});
      const read = reads(await reply.answered);
      controller.abort(reason);
      expect(await read).toEqual(['', reason]);
    } else {
      controller.abort(reason);
      await expect(reply.answered).rejects.toBe(reason);
    }
    expect([reply.destroyed, closes]).toEqual([true, 1]);
  });

  it.each<[string, (reply: FetchReply) => void]>([
    ['its end', (reply) => reply.end(Buffer.from('ok'))],
    ['a failure', (reply) => reply.fail(new Error('a bug'))],
    ['a break', (reply) => reply.destroy()],
  ])('does not hear the signal after %s', async (_, end) => {
    const controller = new AbortController();
    const reply = new FetchReply(controller.signal);
    reply.answered.catch(() => {});
    let closes = 0;
    reply.on('close', () => closes++);
    end(reply);
    controller.abort();
    await turn();
    expect(closes).toBe(0);
  });
});
