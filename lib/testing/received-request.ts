import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type Fields, fieldsOf, jsonIn, listOf } from '../common/objects.js';

/** A request that a provider received. */
export class ReceivedRequest {
  /** The body as JSON; `{}` if it is not JSON. */
  readonly body: Fields;

  /** @internal Made by the provider. */
  constructor(
    readonly method: string,
    /** With its query. */
    readonly url: string,
    readonly headers: IncomingHttpHeaders,
    /** The body's bytes. */
    readonly bytes: Buffer,
  ) {
    this.body = fieldsOf(jsonIn(bytes.toString('utf8')));
  }

  /** @internal */
  static async read(request: IncomingMessage): Promise<ReceivedRequest> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    return new ReceivedRequest(request.method ?? 'GET', request.url ?? '/', request.headers, Buffer.concat(parts));
  }

  /** Path without its query. */
  get path(): string {
    const [path] = this.url.split('?');
    return path;
  }

  /** The requested model, from the body or the path. */
  get model(): string {
    const { model } = this.body;
    if (typeof model === 'string') return model;
    const [, name] = /\/(?:models?|deployments)\/([^/]*)/.exec(this.path) ?? [];
    return decodeURIComponent(name?.replace(/:\w+$/, '') ?? 'unknown');
  }

  /** Whether a stream was requested, in the body or the path. */
  get stream(): boolean {
    return this.body.stream === true || /:streamGenerateContent$|\/converse-stream$/.test(this.path);
  }

  /** The body, or the request within it whose tokens are counted. @internal */
  get promptFields(): Fields {
    const { generateContentRequest, input } = this.body;
    return fieldsOf(generateContentRequest ?? fieldsOf(input).converse ?? this.body);
  }

  /** The text of the user's last turn, in any protocol; `''` if there is none. */
  get prompt(): string {
    const { messages, contents, input, prompt } = this.promptFields;
    const turns = messages ?? contents ?? input ?? prompt;
    if (!Array.isArray(turns)) return textOf(turns);
    const last = (turns as unknown[]).findLast((turn) => typeof turn === 'string' || fieldsOf(turn).role === 'user');
    return typeof last === 'string' ? last : textOf(fieldsOf(last).content ?? fieldsOf(last).parts);
  }

  /** Names of the tools that the model can call, in any protocol. */
  get toolNames(): readonly string[] {
    const { tools, toolConfig } = this.promptFields;
    return listOf(tools ?? fieldsOf(toolConfig).tools).flatMap((tool) => {
      const { name, function: called, toolSpec, functionDeclarations } = fieldsOf(tool);
      const named = [
        name,
        fieldsOf(called).name,
        fieldsOf(toolSpec).name,
        ...listOf(functionDeclarations).map((each) => fieldsOf(each).name),
      ];
      return named.filter((each): each is string => typeof each === 'string');
    });
  }

  /** The parsed form of a `multipart/form-data` body. */
  form(): Promise<FormData> {
    return new Response(this.bytes, { headers: { 'content-type': this.headers['content-type'] ?? '' } }).formData();
  }
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => (typeof part === 'string' ? part : fieldsOf(part).text))
    .filter((text) => typeof text === 'string')
    .join('');
}
