const BYTES_PER_SECOND: Readonly<Record<string, number>> = { pcm16: 48_000, g711_ulaw: 8_000, g711_alaw: 8_000 };
// 128 kbit/s, the usual rate of MP3; the true rate is only known after reading all frames.
const DEFAULT_BYTES_PER_SECOND = 16_000;
const SPEECH_BYTES_PER_SECOND = 4_000;
const WAV_HEADER = 44;
/** 192 kHz, stereo, of 32 bits. */
const MOST_BYTES_PER_SECOND = 1_536_000;

/**
 * Estimates the length of base64 audio in seconds. The byte rate comes from a WAV header or the
 * format (`pcm16` is 24 kHz mono), otherwise 128 kbit/s is assumed.
 */
export function audioSeconds(data: string, format: string | undefined): number {
  const bytes = Math.floor((data.length * 3) / 4);
  return (
    wavSeconds(Buffer.from(data.slice(0, 64), 'base64'), bytes) ?? bytes / (BYTES_PER_SECOND[format ?? ''] ?? DEFAULT_BYTES_PER_SECOND)
  );
}

/** The most seconds that a recording of unknown form has: speech of 32 kbit/s. */
export function mostSeconds(recording: Buffer): number {
  return wavSeconds(recording, recording.length) ?? recording.length / SPEECH_BYTES_PER_SECOND;
}

function wavSeconds(head: Buffer, bytes: number): number | undefined {
  if (head.length < WAV_HEADER || head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') return undefined;
  // Players use the samples and ignore the stated byte rate.
  const bytesPerSecond = Math.min(head.readUInt32LE(28), head.readUInt32LE(24) * head.readUInt16LE(32), MOST_BYTES_PER_SECOND);
  return bytesPerSecond === 0 ? undefined : Math.max(0, bytes - WAV_HEADER) / bytesPerSecond;
}
