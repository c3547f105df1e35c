import { HttpException } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import { BufferList } from '../../common/buffer-list.js';
import { resolveOptions } from '../../common/option.js';
import { checkInteger, refuseArgument } from '../../common/options.js';
import { JSON_BOUNDS, type JsonBounds } from '../../json-body/json-bounds.js';
import { isLargeBody, mayBeLarge } from './body-object.js';
import { boundUnreadBody } from './unread-body.js';
import { parseLargeJson } from './large-json.js';
import { JsonShape, type JsonExcess } from './json-shape.js';

const RULES: Readonly<Record<keyof JsonBounds, string>> = {
  maxDepth: 'must not be nested deeper than # levels',
  maxKeys: 'must have at most # keys in one object',
  maxContainers: 'must have at most # objects and arrays',
  maxValues: 'must have at most # values',
};
const JSON_TYPE = /^application\/(?:[\w.+-]{1,64}\+)?json\b/i;

/** A JSON body that exceeds `JsonBounds`: 400 in OpenAI's format. */
export class BodyBoundsError extends HttpException {
  /** Stable, machine-readable. */
  readonly code = 'BODY_OUT_OF_BOUNDS';
  /** The field that exceeds the bound; `body` outside of any. */
  readonly path: string;
  /** Read by Fastify. */
  readonly statusCode = 400;

  /** @internal */
  constructor({ bound, limit, field = 'body' }: JsonExcess) {
    const message = `${field}: ${RULES[bound].replace('#', String(limit))} (${bound})`;
    super({ error: { message, type: 'invalid_request_error', param: field, code: 'body_out_of_bounds' } }, 400);
    this.name = new.target.name;
    this.message = message;
    this.path = field;
  }
}

/** A `preParsing` hook for Fastify. */
export type BoundJsonHook = (
  request: { readonly raw: IncomingMessage },
  reply: object,
  payload: Readable,
  done: (error: Error | null, payload?: Readable) => void,
) => void;

/** A content type parser of Fastify with `parseAs: 'buffer'`. */
export type JsonBodyParser = (request: object, body: Buffer, done: (error: Error | null, body?: unknown) => void) => void;

/**
 * Creates a parser that reads JSON bodies over 16 KiB in several turns of the event loop, so that
 * other requests wait at most for `JSON.parse`. Fastify's own parser takes twice as long, in one
 * turn.
 *
 * @param small Parses smaller bodies: `getDefaultJsonParser('error', 'error')` of the Fastify
 * instance.
 * @example
 * adapter.useBodyParser('application/json', false, {}, jsonBodyParser(adapter.getInstance().getDefaultJsonParser('error', 'error')));
 */
export function jsonBodyParser(
  small: (request: never, body: string, done: (error: Error | null, body?: unknown) => void) => unknown,
): JsonBodyParser {
  return (request, body, done) => {
    if (!isLargeBody(body)) {
      small(request as never, body.toString(), done);
      return;
    }
    parseLargeJson(body).then(
      (value) => done(null, value),
      ({ message }: Error) => done(Object.assign(new HttpException(message, 400), { statusCode: 400 })),
    );
  };
}

/** A middleware for Express. */
export type BoundJsonMiddleware = (
  request: IncomingMessage & { body?: unknown },
  response: object,
  next: (error?: unknown) => void,
) => void;

/**
 * Creates a `preParsing` hook for Fastify that rejects expensive JSON bodies (too deep, too many
 * values) while they arrive and before they are parsed. Bodies of up to 16 KiB are not checked.
 *
 * @throws InvalidArgumentError naming the bound.
 * @example
 * adapter.getInstance().addHook('preParsing', boundJsonHook());
 */
export function boundJsonHook(bounds: JsonBounds = {}): BoundJsonHook {
  const checked = resolveOptions(JSON_BOUNDS, 'bounds', bounds, { refuse: refuseArgument });
  return ({ raw }, _reply, payload, done) => {
    if (!isLargeJson(raw.headers)) {
      done(null, payload);
      return;
    }
    const shape = new JsonShape(checked);
    const watched = new Transform({
      transform(chunk: Buffer, _encoding, pass) {
        const excess = shape.write(chunk);
        if (excess === undefined) pass(null, chunk);
        else {
          payload.unpipe(watched);
          boundUnreadBody(raw);
          pass(new BodyBoundsError(excess));
        }
      },
    });
    payload.once('error', (error) => watched.destroy(error));
    // A parser that has given up on a body no longer listens.
    watched.on('error', () => {});
    // Bytes wait for the parser, because a later hook can be slow, or answer without reading them.
    const start = (event: string | symbol): void => {
      if (event !== 'data' && event !== 'readable') return;
      watched.off('newListener', start);
      payload.pipe(watched);
    };
    watched.on('newListener', start);
    done(null, watched);
  };
}

/**
 * Creates a middleware that does the same on Express, and parses large JSON bodies. Register it
 * before the body parsers: they skip a parsed body. They still read compressed bodies and charsets
 * other than UTF-8.
 *
 * @param maxBytes Maximum size of a body; larger ones get 413.
 * @throws InvalidArgumentError naming the bound.
 * @example
 * app.use(boundJsonMiddleware(32 * 1024 * 1024));
 */
export function boundJsonMiddleware(maxBytes: number, bounds: JsonBounds = {}): BoundJsonMiddleware {
  const checked = resolveOptions(JSON_BOUNDS, 'bounds', bounds, { refuse: refuseArgument });
  checkInteger('maxBytes', maxBytes, { min: 1 }, refuseArgument);
  return (request, _response, next) => {
    const { headers } = request;
    if (
      !isLargeJson(headers) ||
      (headers['content-encoding'] ?? 'identity') !== 'identity' ||
      charsetIn(headers['content-type'] ?? '') !== 'utf-8'
    ) {
      next();
      return;
    }
    const shape = new JsonShape(checked);
    const chunks = new BufferList();
    const end = (error?: unknown): void => {
      request.off('data', read).off('end', parse).off('error', end).off('aborted', abort);
      if (error !== undefined) boundUnreadBody(request);
      next(error);
    };
    const read = (chunk: Buffer): void => {
      const excess = shape.write(chunk);
      if (chunks.length + chunk.length > maxBytes) end(new HttpException('request entity too large', 413));
      else if (excess !== undefined) end(new BodyBoundsError(excess));
      else chunks.push(chunk);
    };
    const parse = (): void => {
      parseLargeJson(chunks.take()).then(
        (body) => {
          request.body = body;
          end();
        },
        (error: Error) => end(new HttpException(error.message, 400)),
      );
    };
    const abort = (): void => end(new HttpException('request aborted', 400));
    if (Number(headers['content-length']) > maxBytes) end(new HttpException('request entity too large', 413));
    else request.on('data', read).on('end', parse).on('error', end).on('aborted', abort);
  };
}

function isLargeJson(headers: IncomingMessage['headers']): boolean {
  return mayBeLarge(headers) && JSON_TYPE.test(headers['content-type'] ?? '');
}

/** The charset that a content type states, in lower case. */
export function charsetIn(type: string): string {
  const [, charset = 'utf-8'] = /charset="?([^";\s]{1,32})/i.exec(type) ?? [];
  return charset.toLowerCase();
}
