/** Types of answers that no browser runs as a page or script. */
const SAFE =
  /^(?:audio\/[\w.+-]{1,64}|image\/(?:png|jpeg|webp|gif)|text\/(?:plain|vtt|event-stream)|application\/(?:json|x-ndjson|jsonl|x-subrip|pdf|octet-stream))$/;
const OTHER = 'application/octet-stream';

/** The content type that a provider's answer is passed on with: a safe one, else bytes. */
export function safeContentType(stated: string): string {
  const [type] = stated.split(';', 1);
  const plain = type.trim().toLowerCase();
  if (!SAFE.test(plain)) return OTHER;
  return plain.startsWith('text/') ? `${plain}; charset=utf-8` : plain;
}
