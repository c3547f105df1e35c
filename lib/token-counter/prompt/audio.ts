const BYTES_PER_SECOND: Readonly<Record<string, number>> = { pcm16: 48_000, g711_ulaw: 8_000, g711_alaw: 8_000 };
// 128 kbit/s, the usual rate of MP3; the true rate is only known after reading all frames.
const DEFAULT_BYTES_PER_SECOND = 16_000;
const WAV_HEADER = 44;

/**
 * Estimates the length of base64 audio in seconds. The byte rate comes from a WAV header or the
 * format (`pcm16` is 24 kHz mono), otherwise 128 kbit/s is assumed.
 */
export function audioSeconds(data: string, format: string | undefined): number {
  const bytes = Math.floor((data.length * 3) / 4);
  return wavSeconds(data, bytes) ?? bytes / (BYTES_PER_SECOND[format ?? ''] ?? DEFAULT_BYTES_PER_SECOND);
}

function wavSeconds(data: string, bytes: number): number | undefined {
  const head = Buffer.from(data.slice(0, 64), 'base64');
  if (head.length < WAV_HEADER || head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') return undefined;
  const bytesPerSecond = head.readUInt32LE(28);
  return bytesPerSecond === 0 ? undefined : Math.max(0, bytes - WAV_HEADER) / bytesPerSecond;
}
