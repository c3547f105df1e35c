import { fieldsOf, type Fields, listOf } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { EmbeddingsTranslator, type ReadEmbeddings } from '../openai/embeddings.js';
import { mergedFields, written } from '../openai/request.js';
import { refused } from '../parameters.js';
import type { SentRequest, WireCall } from '../protocol.js';
import { hasError, openAIErrorIn } from './errors.js';

/** One of Google's three calls for embeddings. */
interface EmbeddingCall {
  readonly path: string;
  readonly body: (request: EmbeddingRequest) => Fields;
  /** Vectors, and tokens where the answer states them. */
  readonly read: (answer: Fields) => ReadEmbeddings;
}

interface EmbeddingRequest {
  readonly model: string;
  readonly texts: readonly string[];
  readonly outputDimensionality: unknown;
  readonly taskType: unknown;
  readonly title: unknown;
  readonly autoTruncate: unknown;
}

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
      return {
        vectors: embeddings.map(({ values }) => values),
        tokens: isCounted ? counts.reduce<number>((sum, count) => sum + Number(count), 0) : undefined,
      };
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
  const errorIn = (answer: string): Buffer | undefined =>
    hasError(answer) ? Buffer.from(JSON.stringify(openAIErrorIn(answer))) : undefined;
  const translator = new EmbeddingsTranslator(sent, fields, request.texts, { errorIn, read });
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

function tokensIn({ usageMetadata }: Fields): number | undefined {
  const { promptTokenCount: tokens } = fieldsOf(usageMetadata);
  return typeof tokens === 'number' && tokens >= 0 ? tokens : undefined;
}
