import type { Fields } from '../../common/objects.js';
import type { EmbeddingCallOptions, ModelCallOptions } from '../specification.js';

/** A part of an answer, of the versions 2 to 4. */
export interface AnswerPart {
  readonly type: string;
  readonly id?: string;
  readonly text?: string;
  readonly delta?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
  readonly input?: string;
  readonly providerExecuted?: boolean;
  readonly mediaType?: string;
  readonly data?: unknown;
  readonly url?: string;
  readonly title?: string;
  readonly modelId?: string;
  readonly usage?: unknown;
  readonly finishReason?: unknown;
  readonly error?: unknown;
  readonly providerMetadata?: Fields;
}

/** A whole answer. */
export interface ModelAnswer {
  readonly content: readonly AnswerPart[];
  readonly finishReason: unknown;
  readonly usage: unknown;
  readonly response?: { readonly id?: string; readonly modelId?: string };
}

/** Properties that every model has. */
export interface NamedModel {
  /** `v2`, `v3` or `v4`. */
  readonly specificationVersion: string;
  readonly provider: string;
  readonly modelId: string;
}

/** A language model of any provider of the AI SDK 5 to 7. */
export interface AiSdkLanguageModel extends NamedModel {
  /** Returns a whole answer. The versions' types differ in fields that are not read here. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  doGenerate(options: any): PromiseLike<any>;
  /** Returns a stream of the parts of an answer. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  doStream(options: any): PromiseLike<any>;
}

/** An embedding model of any provider of the AI SDK 5 to 7. */
export interface AiSdkEmbeddingModel extends NamedModel {
  readonly maxEmbeddingsPerCall?: PromiseLike<number | undefined> | number | undefined;
  /** Returns the embeddings of texts. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  doEmbed(options: any): PromiseLike<any>;
}

/** A model of the AI SDK that can be a deployment. */
export type AiSdkModel = AiSdkLanguageModel | AiSdkEmbeddingModel;

/** The same methods, reduced to the fields that are read. */
export interface ReadLanguageModel extends NamedModel {
  doGenerate(options: ModelCallOptions): PromiseLike<ModelAnswer>;
  doStream(options: ModelCallOptions): PromiseLike<{ readonly stream: ReadableStream<AnswerPart> }>;
}

export interface ReadEmbeddingModel extends NamedModel {
  readonly maxEmbeddingsPerCall?: PromiseLike<number | undefined> | number | undefined;
  doEmbed(
    options: EmbeddingCallOptions,
  ): PromiseLike<{ readonly embeddings: readonly number[][]; readonly usage?: { readonly tokens?: number } }>;
}

const models = new Map<string, AiSdkModel>();
const names = new WeakMap<object, string>();

/** The name of a model in deployments. The same model has one name; models are kept for good. */
export function nameOfModel(model: AiSdkModel): string {
  const known = names.get(model);
  if (known !== undefined) return known;
  const plain = `${model.provider}/${model.modelId}`;
  let name = plain;
  for (let copy = 2; models.has(name); copy++) name = `${plain}~${copy}`;
  models.set(name, model);
  names.set(model, name);
  return name;
}

export function modelNamed(name: string): ReadLanguageModel | ReadEmbeddingModel | undefined {
  return models.get(name);
}

/** An error of a model as an answer of HTTP. */
interface StatedModelError {
  readonly status: number;
  readonly message: string;
  readonly type: string | null;
  /** `retry-after` and the like. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly statusCode?: unknown;
  readonly responseHeaders?: Readonly<Record<string, string>>;
}

/** Errors that the SDK makes before it sends anything. */
const STATUSES: Readonly<Record<string, number>> = {
  AI_LoadAPIKeyError: 401,
  AI_NoSuchModelError: 404,
  AI_UnsupportedFunctionalityError: 400,
  AI_InvalidPromptError: 400,
  AI_InvalidArgumentError: 400,
  AI_TooManyEmbeddingValuesForCallError: 400,
};

/** The status and words of an error that a model threw, or that its stream has. */
export function statedError(error: unknown): StatedModelError {
  const { name, message, statusCode, responseHeaders: headers } = (typeof error === 'object' && error !== null ? error : {}) as SdkError;
  const words = typeof message === 'string' && message !== '' ? message : typeof error === 'string' ? error : 'The model failed.';
  const status = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 600 ? statusCode : (STATUSES[String(name)] ?? 500);
  return { status, message: words, type: status < 500 ? 'invalid_request_error' : 'server_error', headers };
}

/** Whether no answer came at all: then the error's causes say what happened to the connection. */
export function isWithoutAnswer(error: unknown): error is Error {
  const { name, statusCode } = error as SdkError;
  return error instanceof Error && name === 'AI_APICallError' && statusCode === undefined;
}
