import type Anthropic from '@anthropic-ai/sdk';
import type OpenAI from 'openai';
import type { ChatRequest, LlmClient, LlmStream, ModelRequest } from '../../lib/index.js';

// Compiled by sdk-parameters.test.ts with strict settings, against several versions of the SDKs; never run.

declare const client: LlmClient;

export async function chat(
  params: OpenAI.ChatCompletionCreateParams,
  whole: OpenAI.ChatCompletionCreateParamsNonStreaming,
  streamed: OpenAI.ChatCompletionCreateParamsStreaming,
): Promise<void> {
  const answer = await client.chat(whole);
  const json = answer.json();
  const completion: OpenAI.ChatCompletion = json;
  const next: OpenAI.ChatCompletionMessageParam | undefined = json.choices[0]?.message;
  const stream = await client.chat(streamed);
  for await (const event of stream) {
    const chunk: OpenAI.ChatCompletionChunk = event;
    use(chunk, event.choices[0]?.delta.reasoning_content, event.choices[0]?.delta.thinking_blocks);
  }
  const either = await client.chat(params);
  const events: AsyncIterable<OpenAI.ChatCompletionChunk> | undefined = 'json' in either ? undefined : either;
  use(completion, next, events, json.choices[0]?.message.thinking_blocks);
}

export async function untyped(body: ModelRequest, events: (stream: LlmStream) => void): Promise<void> {
  use(await client.chat(body), await client.responses(body), await client.messages(body), await client.completions(body));
  use(await client.embeddings(body));
  const messages = [{ role: 'user', content: 'Hello' }];
  use(await client.chat({ model: 'm', messages, num_retries: 2, fallbacks: ['n'], top_k: 5 }));
  // A function for streams of any API.
  events(await client.chat({ model: 'm', messages, stream: true }));
  events(await client.responses({ model: 'm', input: 'Hello', stream: true }));
  events(await client.messages({ model: 'm', max_tokens: 1, messages, stream: true }));
  const request: ChatRequest = body;
  const model: ModelRequest = request;
  use(model);
}

export async function wrong(): Promise<void> {
  // @ts-expect-error a model is needed
  use(await client.chat({ messages: [] }));
  // @ts-expect-error messages are a list
  use(await client.chat({ model: 'm', messages: 'Hello' }));
  // @ts-expect-error temperature is a number
  use(await client.chat({ model: 'm', messages: [], temperature: 'hot' }));
  // @ts-expect-error chunks have no message
  for await (const { choices } of await client.chat({ model: 'm', stream: true })) use(choices[0]?.message);
}

export async function completions(
  params: OpenAI.CompletionCreateParams,
  streamed: OpenAI.CompletionCreateParamsStreaming,
  vectors: OpenAI.EmbeddingCreateParams,
): Promise<void> {
  const either = await client.completions(params);
  const text: OpenAI.Completion | undefined = 'json' in either ? own(either.json()) : undefined;
  for await (const event of await client.completions(streamed)) {
    const chunk: OpenAI.Completion = event;
    use(chunk);
  }
  const list = (await client.embeddings(vectors)).json();
  const embeddings: OpenAI.CreateEmbeddingResponse = list;
  use(text, embeddings);
}

export async function forwarded(
  images: OpenAI.ImageGenerateParams,
  image: OpenAI.ImageGenerateParamsNonStreaming,
  speech: OpenAI.Audio.SpeechCreateParams,
  moderation: OpenAI.ModerationCreateParams,
): Promise<void> {
  const list = (await client.images(image)).json();
  const drawn: OpenAI.ImagesResponse = list;
  const json = (await client.moderations(moderation)).json();
  const judged: OpenAI.ModerationCreateResponse = json;
  use(drawn, judged, await client.images(images), await client.speech(speech));
}

/** The SDK computes `output_text`, which no provider sends; `access_programs` has OpenAI alone. */
type SentResponse = Omit<OpenAI.Responses.Response, 'output_text' | 'access_programs'>;
type Sent<T> = T extends { response: OpenAI.Responses.Response } ? Omit<T, 'response'> & { response: SentResponse } : T;

export async function responses(
  params: OpenAI.Responses.ResponseCreateParams,
  whole: OpenAI.Responses.ResponseCreateParamsNonStreaming,
  streamed: OpenAI.Responses.ResponseCreateParamsStreaming,
): Promise<void> {
  const json = (await client.responses(whole)).json();
  const response: SentResponse = json;
  const next: OpenAI.Responses.ResponseInputItem[] = json.output;
  for await (const event of await client.responses(streamed)) {
    const sent: Sent<OpenAI.Responses.ResponseStreamEvent> = event;
    use(sent);
  }
  use(response, next, await client.responses(params));
}

export async function messages(
  params: Anthropic.MessageCreateParams,
  whole: Anthropic.MessageCreateParamsNonStreaming,
  streamed: Anthropic.MessageCreateParamsStreaming,
): Promise<void> {
  const json = (await client.messages(whole)).json();
  const message: Anthropic.Message = json;
  const next: Anthropic.MessageParam = { role: 'assistant', content: json.content };
  for await (const event of await client.messages(streamed)) {
    const sent: Anthropic.RawMessageStreamEvent = event;
    use(sent);
  }
  use(message, next, await client.messages(params));
}

function own<T>(value: T): T {
  return value;
}

declare function use(...values: readonly unknown[]): void;
