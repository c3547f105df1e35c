import { loadOptionalPackage } from '../../common/optional-package.js';

/** The part of `@smithy/eventstream-codec` that is used. */
interface CodecPackage {
  readonly EventStreamCodec: new (
    toUtf8: (bytes: Uint8Array) => string,
    fromUtf8: (text: string) => Uint8Array,
  ) => { encode(message: { readonly headers: object; readonly body: Uint8Array }): Uint8Array };
}

/** An event of Bedrock's stream. */
export function bedrockEvent(type: string, payload: object): Buffer {
  return frame({ ':message-type': 'event', ':event-type': type }, payload);
}

/** An exception within a stream. `type`: as in `throttlingException`. */
export function bedrockException(type: string, message: string): Buffer {
  return frame({ ':message-type': 'exception', ':exception-type': type }, { message });
}

function frame(named: Readonly<Record<string, string>>, payload: object): Buffer {
  const { EventStreamCodec } = loadOptionalPackage(
    '@smithy/eventstream-codec',
    'a stream of the Bedrock test provider',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer
    () => require('@smithy/eventstream-codec') as CodecPackage,
  );
  const codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes).toString(),
    (text) => Buffer.from(text),
  );
  const strings = Object.entries({ ...named, ':content-type': 'application/json' }).map(([name, value]) => [
    name,
    { type: 'string', value },
  ]);
  return Buffer.from(codec.encode({ headers: Object.fromEntries(strings) as object, body: Buffer.from(JSON.stringify(payload)) }));
}
