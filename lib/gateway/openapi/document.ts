import type { HttpServer, INestApplication } from '@nestjs/common';
import type * as Swagger from '@nestjs/swagger';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { lazy } from '../../common/lazy.js';
import { isInstalled } from '../../common/optional-package.js';
import { VERSION } from '../../common/version.js';

/** Files of swagger-ui-dist by path below `/docs`. */
const ASSETS: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  'swagger-ui.css': { file: 'swagger-ui.css', type: 'text/css; charset=utf-8' },
  'swagger-ui.js': { file: 'swagger-ui-bundle.js', type: 'text/javascript; charset=utf-8' },
};
const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>API</title><link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="ui"></div><script src="docs/swagger-ui.js"></script><script src="docs/start.js"></script></body>
</html>
`;
const START = "SwaggerUIBundle({ url: 'openapi.json', dom_id: '#ui', validatorUrl: null, deepLinking: true });\n";
/** Swagger UI sets styles inline and has images as data. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * Serves the OpenAPI document at `/openapi.json` and Swagger UI at `/docs`, from this server alone.
 * The document is created for the first request.
 * @returns `false`, and mounts nothing, without `@nestjs/swagger`
 */
export function mountOpenApi(app: INestApplication): boolean {
  if (!isInstalled(() => require.resolve('@nestjs/swagger'))) return false;
  const document = lazy(() => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer, loaded for the first request
    const swagger = require('@nestjs/swagger') as typeof Swagger;
    const about = new swagger.DocumentBuilder().setTitle('nestjs-fast-litellm').setVersion(VERSION).addBearerAuth().build();
    return swagger.SwaggerModule.createDocument(app, about);
  });
  const folder = lazy(() => dirname(createRequire(require.resolve('@nestjs/swagger')).resolve('swagger-ui-dist/package.json')));
  const server = app.getHttpAdapter() as HttpServer<unknown, unknown>;
  const serve = (path: string, type: string, body: () => unknown): void => {
    server.get(path, (_request: unknown, response: unknown) => {
      server.setHeader?.(response, 'Content-Type', type);
      server.setHeader?.(response, 'Content-Security-Policy', POLICY);
      return server.reply(response, body(), 200) as unknown;
    });
  };
  serve('/openapi.json', 'application/json; charset=utf-8', document);
  serve('/docs', 'text/html; charset=utf-8', () => PAGE);
  serve('/docs/start.js', 'text/javascript; charset=utf-8', () => START);
  for (const [path, { file, type }] of Object.entries(ASSETS))
    serve(
      `/docs/${path}`,
      type,
      lazy(() => readFileSync(join(folder(), file))),
    );
  return true;
}
