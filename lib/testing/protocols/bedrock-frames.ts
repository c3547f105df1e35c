import { crc32 } from 'node:zlib';

const STRING = 7;

/** An event of Bedrock's stream. */
export function bedrockEvent(type: string, payload: object): Buffer {
  return frame({ ':message-type': 'event', ':event-type': type }, payload);
}

/** An exception within a stream. `type`: as in `throttlingException`. */
export function bedrockException(type: string, message: string): Buffer {
  return frame({ ':message-type': 'exception', ':exception-type': type }, { message });
}

/**
 * A message of AWS's event stream; numbers are big-endian:
 * `u32 length | u32 length of headers | u32 CRC | headers | payload | u32 CRC of all before`.
 */
function frame(named: Readonly<Record<string, string>>, payload: object): Buffer {
  const headers = Buffer.concat(Object.entries({ ...named, ':content-type': 'application/json' }).map(header));
  const body = Buffer.from(JSON.stringify(payload));
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(prelude.length + headers.length + body.length + 8);
  prelude.writeUInt32BE(headers.length, 4);
  const start = Buffer.concat([prelude, checksum(prelude), headers, body]);
  return Buffer.concat([start, checksum(start)]);
}

/** `u8 length | name | u8 type | u16 length | value`. */
function header([name, value]: readonly [string, string]): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(value));
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([STRING]), length, Buffer.from(value)]);
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum;
}
