/** A piece of a turn in Gemini's words: `text`, `inlineData`, `functionCall`, … */
export type GeminiPart = Readonly<Record<string, unknown>>;

export interface GeminiTurn {
  readonly role: 'user' | 'model';
  readonly parts: readonly GeminiPart[];
}

/** Between a call's id and its signature, as in LiteLLM. */
const SIGNATURE_MARK = '__thought__';

/** The call id for clients. Clients that drop unknown fields return the signature in it. */
export function idWithSignature(id: string, signature: string | undefined): string {
  return signature === undefined ? id : `${id}${SIGNATURE_MARK}${signature}`;
}

/** Gemini's call id, and the signature in it. */
export function splitCallId(id: string): { readonly id: string; readonly signature: string | undefined } {
  const at = id.indexOf(SIGNATURE_MARK);
  if (at < 0) return { id, signature: undefined };
  const signature = id.slice(at + SIGNATURE_MARK.length);
  return { id: id.slice(0, at), signature: signature === '' ? undefined : signature };
}
