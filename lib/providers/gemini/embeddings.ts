import { fieldsOf, type Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { OPENAI_READER } from '../openai/reader.js';
import { mergedFields, written } from '../openai/request.js';
import { refused } from '../parameters.js';
import type { AnswerReader, AnswerTranslator, SentRequest, WireCall } from '../protocol.js';
import { listOf } from './content-types.js';
import { hasError, openAIErrorIn } from './errors.js';

/** One of Google's three calls for embeddings. */
interface EmbeddingCall {
  readonly path: string;
  readonly body: (request: EmbeddingRequest) => Fields;
  /** Vectors, and tokens where the answer states them. */
  readonly read: (answer: Fields) => EmbeddingAnswer;
}

interface EmbeddingRequest {
  readonly model: string;
  readonly texts: readonly string[];
  readonly outputDimensionality: unknown;
  readonly taskType: unknown;
  readonly title: unknown;
  readonly autoTruncate: unknown;
}

interface EmbeddingAnswer {
  readonly vectors: readonly unknown[];
  readonly tokens: number | undefined;
}

const BYTES_PER_TOKEN = 4;
const NO_BYTES = Buffer.alloc(0);

/** `:batchEmbedContents` of the Gemini API: a vector for each text. */
export function batchEmbedContents(sent: SentRequest, modelPath: string): WireCall {
  return embeddingCall(sent, {
    path: `${modelPath}:batchEmbedContents`,
    body: (request) => ({ requests: request.texts.map((text) => ({ model: `models/${request.model}`, ...contentOf(text, request) })) }),
    read: (answer) => ({
      vectors: listOf(answer.embeddings).map((each) => fieldsOf(each).values),
      tokens: tokensIn(answer),
    }),
  });
}

/** `:embedContent` of Vertex AI's newer models: one vector for all that is sent. */
export function embedContent(sent: SentRequest, modelPath: string): WireCall {
  return embeddingCall(sent, {
    path: `${modelPath}:embedContent`,
    body: (request) => {
      if (request.texts.length > 1) throw refused('input', sent, `${sent.model} embeds one text in a request, not ${request.texts.length}`);
      return contentOf(request.texts[0], request);
    },
    read: (answer) => ({ vectors: [fieldsOf(answer.embedding).values], tokens: tokensIn(answer) }),
  });
}

/** `:predict` of Vertex AI. */
export function predictEmbeddings(sent: SentRequest, modelPath: string): WireCall {
  return embeddingCall(sent, {
    path: `${modelPath}:predict`,
    body: ({ texts, taskType, title, outputDimensionality, autoTruncate }) => ({
      instances: texts.map((content) => ({
        content,
        ...(taskType !== undefined && { task_type: taskType }),
        ...(title !== undefined && { title }),
      })),
      parameters: {
        ...(outputDimensionality !== undefined && { outputDimensionality }),
        ...(autoTruncate !== undefined && { autoTruncate }),
      },
    }),
    read: (answer) => {
      const embeddings = listOf(answer.predictions).map((each) => fieldsOf(fieldsOf(each).embeddings));
      const counts = embeddings.map(({ statistics }) => fieldsOf(statistics).token_count);
      const isCounted = counts.length > 0 && counts.every((count) => typeof count === 'number');
      return { vectors: embeddings.map(({ values }) => values), tokens: isCounted ? sum(counts) : undefined };
    },
  });
}

function contentOf(text: string, { outputDimensionality, taskType, title }: EmbeddingRequest): Fields {
  return {
    content: { parts: [{ text }] },
    ...(outputDimensionality !== undefined && { outputDimensionality }),
    ...(taskType !== undefined && { taskType }),
    ...(title !== undefined && { title }),
  };
}

function embeddingCall(sent: SentRequest, { path, body, read }: EmbeddingCall): WireCall {
  const fields = mergedFields(sent);
  const request = requestIn(fields, sent);
  const translator = new EmbeddingTranslator(request, read, formatIn(fields, sent));
  return { path, body: written(sent, () => body(request)), translator, reader: translator.reader };
}

function requestIn(fields: Fields, { model }: SentRequest): EmbeddingRequest {
  return {
    model,
    texts: textsIn(fields.input),
    outputDimensionality: fields.outputDimensionality ?? fields.dimensions ?? undefined,
    taskType: fields.taskType ?? fields.task_type ?? fields.input_type ?? undefined,
    title: fields.title ?? undefined,
    autoTruncate: fields.autoTruncate ?? fields.auto_truncate ?? undefined,
  };
}

function textsIn(input: unknown): readonly string[] {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.length === 0)
    throw new InvalidArgumentError('input', input, 'must be a string or an array of strings');
  const wrong = input.findIndex((each) => typeof each !== 'string');
  if (wrong < 0) return input as readonly string[];
  const isToken = typeof input[wrong] === 'number' || Array.isArray(input[wrong]);
  throw new InvalidArgumentError(
    `input[${wrong}]`,
    input[wrong],
    isToken ? 'must be a string: Google does not accept token ids' : 'must be a string',
  );
}

function formatIn({ encoding_format: format }: Fields, sent: SentRequest): 'float' | 'base64' {
  if (format === undefined || format === null || format === 'float') return 'float';
  // The openai SDK asks for it by default.
  if (format === 'base64') return 'base64';
  throw refused('encoding_format', sent, 'it must be float or base64');
}

class EmbeddingTranslator implements AnswerTranslator {
  readonly pending = 0;
  private isCounted = false;

  constructor(
    private readonly request: EmbeddingRequest,
    private readonly read: EmbeddingCall['read'],
    private readonly format: 'float' | 'base64',
  ) {}

  readonly reader: AnswerReader = {
    ...OPENAI_READER,
    // An estimate of ours is worse than the router's.
    usageIn: (bytes) => (this.isCounted ? OPENAI_READER.usageIn(bytes) : undefined),
  };

  whole(answer: Buffer): Buffer {
    const text = answer.toString('utf8');
    return Buffer.from(JSON.stringify(hasError(text) ? openAIErrorIn(text) : this.list(fieldsOf(JSON.parse(text)))));
  }

  chunk(): Buffer {
    throw new Error('embeddings cannot be streamed');
  }

  end(): Buffer {
    return NO_BYTES;
  }

  private list(answer: Fields): Fields {
    const { vectors, tokens } = this.read(answer);
    const { texts, model } = this.request;
    if (vectors.length !== texts.length || !vectors.every(Array.isArray))
      throw new Error(`the answer has ${vectors.length} embeddings for ${texts.length} texts`);
    this.isCounted = tokens !== undefined;
    const used = tokens ?? Math.ceil(sum(texts.map((text) => Buffer.byteLength(text))) / BYTES_PER_TOKEN);
    const data = vectors.map((values, index) => ({ object: 'embedding', index, embedding: this.encoded(values as readonly number[]) }));
    return { object: 'list', data, model, usage: { prompt_tokens: used, total_tokens: used } };
  }

  private encoded(values: readonly number[]): readonly number[] | string {
    return this.format === 'float' ? values : Buffer.from(Float32Array.from(values).buffer).toString('base64');
  }
}

function tokensIn({ usageMetadata }: Fields): number | undefined {
  const { promptTokenCount: tokens } = fieldsOf(usageMetadata);
  return typeof tokens === 'number' && tokens >= 0 ? tokens : undefined;
}

function sum(figures: readonly unknown[]): number {
  return figures.reduce<number>((total, figure) => total + Number(figure), 0);
}
