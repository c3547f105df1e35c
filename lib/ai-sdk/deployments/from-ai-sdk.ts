import { checkFunction, checkObject, checkString, refuseArgument } from '../../common/options.js';
import { errorIn, hasError } from '../../providers/openai/errors.js';
import { OPENAI_READER } from '../../providers/openai/reader.js';
import { splitParameters } from '../../providers/parameters.js';
import type { Protocol } from '../../providers/protocol.js';
import { provideProtocol } from '../../providers/provide-protocol.js';
import { nameOfModel, type AiSdkModel } from './sdk-models.js';
import { IGNORED, TRANSLATED } from './sdk-request.js';
import { AI_SDK_TRANSPORT } from './sdk-transport.js';

const PROVIDER = 'ai_sdk';
const EMBEDDING: ReadonlySet<string> = new Set(['model', 'input', 'dimensions', 'encoding_format']);

/** The inner language stays OpenAI's: the transport puts it into the SDK's words. */
const AI_SDK: Protocol = {
  name: PROVIDER,
  call(operation, sent) {
    if (operation !== 'chat' && operation !== 'embeddings') return undefined;
    const isChat = operation === 'chat';
    const { chat, own } = splitParameters(sent, { translated: isChat ? TRANSLATED : EMBEDDING, ignored: IGNORED });
    const body = JSON.stringify({ ...own, ...chat, model: sent.model });
    return { path: isChat ? '/chat/completions' : '/embeddings', body, reader: OPENAI_READER };
  },
  errorIn,
  hasError,
  transport: AI_SDK_TRANSPORT,
};

let isProvided = false;

/** `litellm_params` of a deployment backed by a model of the AI SDK. */
export interface AiSdkDeploymentParams {
  /** `ai_sdk/<provider>/<model>` */
  readonly model: string;
  /** The model's name, for prices and limits. */
  readonly base_model: string;
}

/**
 * Turns a language or embedding model of the AI SDK 5 to 7 into a deployment of this process, for
 * providers that this package does not support itself.
 *
 * @throws InvalidArgumentError if `model` is not such a model
 * @example
 * const modelList = [{ model_name: 'chat', litellm_params: fromAiSdk(mistral('mistral-large-latest')) }];
 */
export function fromAiSdk(model: AiSdkModel): AiSdkDeploymentParams {
  const given = checkObject('model', model, refuseArgument);
  for (const field of ['specificationVersion', 'provider', 'modelId']) checkString(`model.${field}`, given[field], refuseArgument);
  for (const method of 'doEmbed' in model ? ['doEmbed'] : ['doGenerate', 'doStream']) {
    checkFunction(`model.${method}`, given[method], refuseArgument);
  }
  if (!isProvided) provideProtocol(PROVIDER, { protocol: AI_SDK, base: 'http://ai-sdk.invalid', keyOptional: true });
  isProvided = true;
  return { model: `${PROVIDER}/${nameOfModel(model)}`, base_model: model.modelId };
}
