import type { OtherField } from './requests.js';

/** A part of Google's contents: a text, a call, its result, data or a file. */
export interface ContentPart {
  readonly text?: string;
  readonly thought?: boolean;
  readonly thoughtSignature?: string;
  readonly functionCall?: { readonly id?: string; readonly name?: string; readonly args?: Readonly<Record<string, OtherField>> };
  readonly functionResponse?: object;
  readonly inlineData?: { readonly mimeType?: string; readonly data?: string; readonly [field: string]: OtherField };
  readonly [field: string]: OtherField;
}

/** The body of `generateContent`: Google's, with the model and `stream`. */
export interface GenerateContentRequest {
  readonly model: string;
  readonly stream?: boolean | null;
  /** Required; optional here for bodies whose fields are unknown at compile time. */
  readonly contents?: readonly { readonly role?: string; readonly parts?: readonly ContentPart[] }[];
  readonly systemInstruction?: object;
  readonly tools?: readonly object[];
  readonly toolConfig?: object;
  readonly generationConfig?: object;
  readonly safetySettings?: readonly object[];
  readonly [field: string]: OtherField;
}

/** The response of Google's `:generateContent`, and an event of its stream. */
export interface GeneratedContent {
  /** Mutable, like the other lists here, because the SDK's are. */
  readonly candidates?: {
    readonly content?: { readonly role?: string; readonly parts?: ContentPart[] };
    readonly finishReason?: string;
    readonly index?: number;
    readonly [field: string]: OtherField;
  }[];
  readonly promptFeedback?: OtherField;
  readonly usageMetadata?: {
    readonly promptTokenCount?: number;
    readonly candidatesTokenCount?: number;
    readonly thoughtsTokenCount?: number;
    readonly cachedContentTokenCount?: number;
    readonly totalTokenCount?: number;
    readonly [field: string]: OtherField;
  };
  readonly modelVersion?: string;
  readonly responseId?: string;
  readonly [field: string]: OtherField;
}
