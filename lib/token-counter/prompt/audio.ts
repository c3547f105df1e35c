// OpenAI bills one token for 100 ms of audio in the user's turn (Realtime guide, "audio tokens").
const TOKENS_PER_SECOND = 10;
const BYTES_PER_SECOND: Readonly<Record<string, number>> = { pcm16: 48_000, g711_ulaw: 8_000, g711_alaw: 8_000 };
// 128 kbit/s: the usual rate of MP3; its true one is only known from all of its frames.
const DEFAULT_BYTES_PER_SECOND = 16_000;
const WAV_HEADER = 44;

/**
 * Estimates the tokens of base64 audio from its length in time: one per 100 ms. The byte rate comes from a WAV header, from the format
 * (`pcm16` is 24 kHz mono) or else is taken as 128 kbit/s. Always an estimate; at least 1.
 */
export function audioTokens(data: string, format: string | undefined): number {
  const bytes = Math.floor((data.length * 3) / 4);
  const seconds = wavSeconds(data, bytes) ?? bytes / (BYTES_PER_SECOND[format ?? ''] ?? DEFAULT_BYTES_PER_SECOND);
  return Math.max(1, Math.ceil(seconds * TOKENS_PER_SECOND));
}

function wavSeconds(data: string, bytes: number): number | undefined {
  const head = Buffer.from(data.slice(0, 64), 'base64');
  if (head.length < WAV_HEADER || head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') return undefined;
  const bytesPerSecond = head.readUInt32LE(28);
  return bytesPerSecond === 0 ? undefined : Math.max(0, bytes - WAV_HEADER) / bytesPerSecond;
}
