/** 500 kbit/s, less than most cameras write, so that a duration is not estimated too short. */
const ASSUMED_BYTES_PER_SECOND = 62_500;
/** 8 Mbit/s: a header that states a shorter video than these bytes imply is ignored. */
const MOST_BYTES_PER_SECOND = 1_000_000;
/** Boxes of an MP4 file that are searched for the one with its length. */
const MOST_BOXES = 32;
const BOX_HEADER = 8;

/**
 * Estimates the length of a base64 video in seconds: from the header of an MP4 or MOV file,
 * otherwise from its size at 500 kbit/s.
 */
export function videoSeconds(base64: string): number {
  const bytes = Math.floor((base64.length * 3) / 4);
  return Math.max(mp4Seconds(base64, bytes) ?? bytes / ASSUMED_BYTES_PER_SECOND, bytes / MOST_BYTES_PER_SECOND);
}

/** Finds `moov` among the boxes of the file and `mvhd` in it, without decoding other boxes. */
function mp4Seconds(base64: string, bytes: number): number | undefined {
  let at = 0;
  for (let boxes = 0; boxes < MOST_BOXES && at + BOX_HEADER <= bytes; boxes++) {
    const head = decode(base64, at, BOX_HEADER + 8);
    if (head.length < BOX_HEADER) return undefined;
    const type = head.toString('latin1', 4, BOX_HEADER);
    const length = head.readUInt32BE(0);
    if (boxes === 0 && type !== 'ftyp') return undefined;
    if (type === 'mvhd') return movieSeconds(decode(base64, at + BOX_HEADER, 32));
    // A length of 1 means that the 64 bits after the type contain the length.
    const whole = length === 1 && head.length === BOX_HEADER + 8 ? Number(head.readBigUInt64BE(BOX_HEADER)) : length;
    if (whole < BOX_HEADER) return undefined;
    at += type === 'moov' ? BOX_HEADER : whole;
  }
  return undefined;
}

/** `mvhd`: version and flags, two dates, the units of a second, and the length in these units. */
function movieSeconds(box: Buffer): number | undefined {
  if (box.length < 32) return undefined;
  const isLong = box[0] === 1;
  const unitsPerSecond = box.readUInt32BE(isLong ? 20 : 12);
  const units = isLong ? Number(box.readBigUInt64BE(24)) : box.readUInt32BE(16);
  return unitsPerSecond === 0 ? undefined : units / unitsPerSecond;
}

/** Some bytes of the decoded file. */
function decode(base64: string, from: number, length: number): Buffer {
  const group = Math.floor(from / 3);
  const text = base64.slice(group * 4, Math.ceil((from + length) / 3) * 4);
  return Buffer.from(text, 'base64').subarray(from - group * 3, from - group * 3 + length);
}
