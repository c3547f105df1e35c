import type { MultipartBody } from '../../providers/forwarded/multipart.js';
import type { OtherField } from './requests.js';

/**
 * A JSON body that is forwarded unchanged. The bodies of the `openai` SDK are assignable. `model`
 * is required here, although the SDK allows bodies without it: it selects the deployments.
 */
export interface ForwardedRequest {
  readonly model?: string | null;
  readonly [field: string]: OtherField;
}

/** A form that is forwarded unchanged: with a field `model`, and files. */
export type ForwardedForm = FormData | MultipartBody;

/** The response of OpenAI's images API. */
export interface ImageList {
  readonly created: number;
  /** Mutable, like the other lists here, because the SDK's are. */
  readonly data?: { readonly b64_json?: string; readonly url?: string; readonly revised_prompt?: string }[];
  readonly [field: string]: OtherField;
}

/** The response of OpenAI's moderations API. */
export interface ModerationList {
  readonly id: string;
  readonly model: string;
  readonly results: ModerationResult[];
  readonly [field: string]: OtherField;
}

/** Results of a moderation, by OpenAI's categories. */
export interface ModerationResult {
  readonly flagged: boolean;
  /** Booleans by the names of categories. */
  readonly categories: OtherField;
  /** From 0 to 1, by the names of categories. */
  readonly category_scores: OtherField;
  readonly category_applied_input_types: OtherField;
}

/** The response of a rerank API, in the shape of Cohere's, Jina's and vLLM's. */
export interface RerankedList {
  readonly results: readonly { readonly index: number; readonly relevance_score: number; readonly [field: string]: OtherField }[];
  readonly [field: string]: OtherField;
}

/** A request for files or batches, which belong to an account, not to a model. */
export interface AccountRequest {
  /** The model group whose account is used: that of its first deployment. */
  readonly model: string;
  /** Default: GET. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /**
   * Path after `/files` or `/batches`, including the query: `/file-abc/content`. Default: empty.
   */
  readonly path?: string;
  /** Body of a POST: JSON, or a form with a file. */
  readonly body?: Readonly<Record<string, OtherField>> | ForwardedForm;
}
