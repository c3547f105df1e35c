import { SecretMask } from '../secret-mask.js';
import { AnswerEvents } from './answer-events.js';

const SECRET = 'sk-secret/0123456789';
const NONE = Buffer.alloc(0);

describe('the events of an answer', () => {
  it('contain no secret of the deployment, not even in events that a translator writes at the end', () => {
    const reader = { fault: () => undefined } as never;
    const translator = {
      pending: 0,
      whole: (body: Buffer) => body,
      chunk: (bytes: Buffer) => bytes,
      translateEvents: (events: never) => events,
      end: () => Buffer.from(`data: {"id":"${SECRET}","usage":{}}\n\n`),
    };
    const call = { translator, reader } as never;
    const events = new AnswerEvents({ call, contentType: 'text/event-stream', mask: new SecretMask([SECRET]), maxBytes: 1000 });
    const read = events.read(Buffer.from(`data: {"id":"${SECRET}"}\n\n`));
    expect(Buffer.concat([read?.bytes ?? NONE, events.end().bytes]).toString()).toBe(
      'data: {"id":"***"}\n\ndata: {"id":"***","usage":{}}\n\n',
    );
  });
});
