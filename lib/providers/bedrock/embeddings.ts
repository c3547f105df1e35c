import { isObject, type Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { OPENAI_READER } from '../openai/reader.js';
import { mergedFields, written } from '../openai/request.js';
import { refused } from '../parameters.js';
import type { AnswerReader, AnswerTranslator, SentRequest, WireCall } from '../protocol.js';
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
const BYTES_PER_TOKEN = 4;
const NO_BYTES = Buffer.alloc(0);

/** Embeddings by the model's own words; `undefined`: not of these families. */
export function embeddingCall(sent: SentRequest): WireCall | undefined {
  const { params, model, baseModel } = sent;
  const { id, name } = bedrockModel(model, baseModel, typeof params.model_id === 'string' ? params.model_id : undefined);
  const family = FAMILIES.find(({ names }) => names.test(name));
  if (family === undefined) return undefined;
  const fields = mergedFields(sent);
  const { input, dimensions, encoding_format: format } = fields;
  const own = Object.fromEntries(Object.entries(fields).filter(([key, value]) => !OPENAI_FIELDS.has(key) && value !== null));
  const texts = textsIn(input);
  if (texts.length > 1 && !family.batches) {
    const { provider } = sent;
    throw new UnsupportedRequestError({
      param: 'input',
      provider,
      reason: `${model} embeds one text in a request, not ${texts.length}`,
      mend: 'send one text, or use a Cohere model',
    });
  }
  if (format !== undefined && format !== null && format !== 'float' && format !== 'base64')
    throw refused('encoding_format', sent, 'it must be float or base64');
  const translator = new EmbeddingTranslator(family, model, texts, format === 'base64');
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

class EmbeddingTranslator implements AnswerTranslator {
  readonly pending = 0;
  private isCounted = false;

  constructor(
    private readonly family: Family,
    private readonly model: string,
    private readonly texts: readonly string[],
    private readonly isBase64: boolean,
  ) {}

  readonly reader: AnswerReader = {
    ...OPENAI_READER,
    // Where the provider states no tokens, the router's estimate is better than ours.
    usageIn: (bytes) => (this.isCounted ? OPENAI_READER.usageIn(bytes) : undefined),
  };

  whole(answer: Buffer): Buffer {
    const json = answer.toString('utf8');
    return exceptionIn(json) ?? Buffer.from(JSON.stringify(this.list(JSON.parse(json))));
  }

  chunk(): Buffer {
    throw new Error('embeddings cannot be streamed');
  }

  end(): Buffer {
    return NO_BYTES;
  }

  private list(answer: unknown): Fields {
    const { texts, model, family } = this;
    const vectors = isObject(answer) ? family.vectors(answer) : undefined;
    if (!Array.isArray(vectors) || vectors.length !== texts.length || !vectors.every(Array.isArray))
      throw new SyntaxError(`the answer must have embeddings for ${texts.length} texts`);
    const stated = fieldAt(answer, 'inputTextTokenCount');
    this.isCounted = typeof stated === 'number' && stated >= 0;
    const tokens = this.isCounted ? stated : Math.ceil(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / BYTES_PER_TOKEN);
    const data = (vectors as readonly (readonly number[])[]).map((values, index) => ({
      object: 'embedding',
      index,
      embedding: this.isBase64 ? Buffer.from(Float32Array.from(values).buffer).toString('base64') : values,
    }));
    return { object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } };
  }
}
