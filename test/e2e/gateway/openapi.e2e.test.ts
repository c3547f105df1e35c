import type { CanActivate, DynamicModule } from '@nestjs/common';
import { FastLiteLLMKeysModule } from 'nestjs-fast-litellm';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';

class Guard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

describe.each(Object.keys(ADAPTERS) as AdapterName[])('the OpenAPI document of a gateway on %s', (adapter) => {
  let gateway: GatewayApp;
  let document: OpenAPIObject;
  beforeAll(async () => {
    gateway = await GatewayApp.start(adapter, { guards: [Guard] }, { prepare: (app) => app.setGlobalPrefix('api') });
    document = SwaggerModule.createDocument(gateway.app, new DocumentBuilder().addBearerAuth().build());
  });
  afterAll(() => gateway.stop());

  it('has each route once, at its path below the prefix', () => {
    expect(Object.keys(document.paths).sort()).toMatchSnapshot();
  });

  it('has schemas of requests and answers, streams and errors', () => {
    const { post } = document.paths['/api/v1/chat/completions'];
    expect(post).toMatchObject({
      operationId: 'chat',
      tags: ['gateway'],
      security: [{ bearer: [] }],
      requestBody: { required: true, content: { 'application/json': { schema: { required: ['model', 'messages'] } } } },
      responses: {
        200: { content: { 'application/json': { schema: { required: ['id', 'choices'] } }, 'text/event-stream': {} } },
        '4XX': { content: { 'application/json': { schema: { required: ['error'] } } } },
      },
    });
    expect(document.paths['/api/v1/audio/transcriptions'].post?.requestBody).toMatchObject({
      content: { 'multipart/form-data': { schema: { properties: { file: { format: 'binary' } } } } },
    });
    expect(document.paths['/api/v1/audio/speech'].post?.responses[200]).toMatchObject({ content: { 'audio/mpeg': {} } });
    expect(document.paths['/api/v1/files/{id}/content'].get?.parameters).toMatchObject([
      { in: 'path', name: 'id', required: true },
      { in: 'query', name: 'model', required: false },
    ]);
    expect(document.paths['/api/health/liveliness'].get?.security).toBeUndefined();
  });

  it('has errors in the shape of the API of each route', () => {
    const errorOf = (path: string): unknown => {
      const { content } = document.paths[path].post?.responses['4XX'] as { content: Record<string, { schema: { properties: object } }> };
      return Object.keys(content['application/json'].schema.properties);
    };
    expect(errorOf('/api/v1/chat/completions')).toEqual(['error']);
    expect(errorOf('/api/v1/messages')).toEqual(['type', 'error', 'request_id']);
  });

  it('describes every route: none is without a schema of its answer, or with one that no route has', () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path) as { operationId?: string; summary?: string }[]);
    expect(operations.filter(({ summary, operationId }) => summary === undefined || summary === operationId)).toEqual([]);
    expect(JSON.stringify(document)).not.toContain('part0');
  });
});

describe.each<[string, object, readonly unknown[], boolean]>([
  ['API keys', {}, [() => FastLiteLLMKeysModule.forRoot({ masterKey: 'sk-master-key-of-this-test' })], true],
  ['a master key', { masterKey: 'sk-master-key-of-this-test' }, [], true],
  ['neither', {}, [], false],
])('the OpenAPI document of an app with %s', (_, options, modules, takesKeys) => {
  it(`says ${takesKeys ? 'of each route that it takes' : 'of no route that it takes'} a key`, async () => {
    const imports = (modules as (() => DynamicModule)[]).map((make) => make());
    const gateway = await GatewayApp.start('Express', options, { imports });
    const document = SwaggerModule.createDocument(gateway.app, new DocumentBuilder().addBearerAuth().build());
    const secured = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods as Record<string, { security?: unknown }>).map(({ security }) => [path, security] as const),
    );
    const routes = secured.filter(([path]) => !path.startsWith('/health'));
    expect(routes.length).toBeGreaterThan(10);
    expect(routes.filter(([, security]) => (security !== undefined) !== takesKeys)).toEqual([]);
    expect(secured.filter(([path, security]) => path.startsWith('/health') && security !== undefined)).toEqual([]);
    expect(secured.some(([path]) => path === '/key/generate')).toBe(modules.length > 0);
    expect(document.components?.securitySchemes).toMatchObject({ bearer: { type: 'http', scheme: 'bearer' } });
    await gateway.stop();
  });
});
