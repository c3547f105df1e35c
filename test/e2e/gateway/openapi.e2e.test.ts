import type { CanActivate } from '@nestjs/common';
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

  it('describes every route: none is without a schema of its answer, or with one that no route has', () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path) as { operationId?: string; summary?: string }[]);
    expect(operations.filter(({ summary, operationId }) => summary === undefined || summary === operationId)).toEqual([]);
    expect(JSON.stringify(document)).not.toContain('part0');
  });
});
