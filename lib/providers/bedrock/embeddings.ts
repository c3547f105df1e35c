import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { EmbeddingsTranslator } from '../openai/embeddings.js';
import { mergedFields, written } from '../openai/request.js';
import type { SentRequest, WireCall } from '../protocol.js';
import { exceptionIn, fieldAt } from './answer.js';
import { bedrockModel } from './models.js';

/** How a family of models embeds. */
interface Family {
  readonly names: RegExp;
  /** Whether a request may have several texts. */
  readonly batches: boolean;
  readonly body: (texts: readonly string[], dimensions: unknown, own: Fields) => Fields;
  readonly vectors: (answer: Fields) => unknown;
}

const FAMILIES: readonly Family[] = [
  {
    names: /(?:^|[./])amazon\.titan-embed-(?:text-v1|g1)/,
    batches: false,
    body: ([inputText], _, own) => ({ inputText, ...own }),
    vectors: ({ embedding }) => [embedding],
  },
  {
    names: /(?:^|[./])amazon\.titan-embed-text-v2/,
    batches: false,
    body: ([inputText], dimensions, own) => ({ inputText, ...(dimensions !== undefined && { dimensions }), ...own }),
    vectors: (answer) => [answer.embedding ?? fieldAt(answer, 'embeddingsByType', 'float')],
  },
  {
    names: /(?:^|[./])cohere\.embed-/,
    batches: true,
    body: (texts, dimensions, own) => ({
      texts,
      input_type: 'search_document',
      embedding_types: ['float'],
      ...(dimensions !== undefined && { output_dimension: dimensions }),
      ...own,
    }),
    vectors: ({ embeddings }) => (Array.isArray(embeddings) ? embeddings : fieldAt(embeddings, 'float')),
  },
];
const OPENAI_FIELDS: ReadonlySet<string> = new Set(['input', 'model', 'dimensions', 'encoding_format', 'user']);

/** Embeddings by the model's own words; `undefined`: not of these families. */
export function embeddingCall(sent: SentRequest): WireCall | undefined {
  const { params, model, baseModel } = sent;
  const { id, name } = bedrockModel(model, baseModel, typeof params.model_id === 'string' ? params.model_id : undefined);
  const family = FAMILIES.find(({ names }) => names.test(name));
  if (family === undefined) return undefined;
  const fields = mergedFields(sent);
  const { input, dimensions } = fields;
  const own = Object.fromEntries(Object.entries(fields).filter(([key, value]) => !OPENAI_FIELDS.has(key) && value !== null));
  const texts = textsIn(input);
  if (texts.length > 1 && !family.batches) {
    const { provider } = sent;
    throw new UnsupportedRequestError({
      param: 'input',
      provider,
      reason: `${model} embeds one text in a request, not ${texts.length}`,
      remedy: 'send one text, or use a Cohere model',
    });
  }
  const translator = new EmbeddingsTranslator(sent, fields, texts, {
    errorIn: exceptionIn,
    read: (answer) => ({ vectors: family.vectors(answer), tokens: tokensIn(answer) }),
  });
  const size = dimensions === null ? undefined : dimensions;
  const body = written(sent, () => family.body(texts, size, own));
  return { path: `/model/${encodeURIComponent(id)}/invoke`, body, translator, reader: translator.reader };
}

function textsIn(input: unknown): readonly string[] {
  const texts: readonly unknown[] = Array.isArray(input) ? input : [input];
  const wrong = texts.findIndex((each) => typeof each !== 'string' || each === '');
  if (texts.length > 0 && wrong < 0) return texts as readonly string[];
  throw new InvalidArgumentError(
    wrong < 0 || !Array.isArray(input) ? 'input' : `input[${wrong}]`,
    texts[wrong],
    'must be a non-empty string',
  );
}

function tokensIn({ inputTextTokenCount: tokens }: Fields): number | undefined {
  return typeof tokens === 'number' && tokens >= 0 ? tokens : undefined;
}
