'use strict';
// The apps whose requests are counted. All are compiled code, and run as users run them.

const { join } = require('node:path');

const ROOT = join(__dirname, '..', '..');
const MASTER_KEY = 'sk-steps-master-key-0000000000';
const MANY = 1_000_000_000;

/** Decorators as calls: this file is not compiled. */
function moduleOf(metadata) {
  const { Module } = require('@nestjs/common');
  const type = class StepsModule {};
  Module(metadata)(type);
  return type;
}

/** Fastify, one controller, undici's `Pool`: what a team would write without us. */
function bare(origin) {
  const { Body, Controller, HttpCode, Post, Res } = require('@nestjs/common');
  const { Pool } = require('undici');
  const pool = new Pool(origin, { connections: 16 });
  const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-steps' };
  class BareController {
    async chat(body, reply) {
      const answer = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body: JSON.stringify(body) });
      if (body.stream !== true) return reply.send(await answer.body.json());
      reply.hijack();
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
      answer.body.pipe(reply.raw);
    }
  }
  const { prototype } = BareController;
  Post('v1/chat/completions')(prototype, 'chat', Object.getOwnPropertyDescriptor(prototype, 'chat'));
  HttpCode(200)(prototype, 'chat', Object.getOwnPropertyDescriptor(prototype, 'chat'));
  Body()(prototype, 'chat', 0);
  Res()(prototype, 'chat', 1);
  Controller()(BareController);
  return moduleOf({ controllers: [BareController] });
}

function models(origin) {
  const deployment = (name, model, id) => ({
    model_name: name,
    litellm_params: { model, api_base: model.startsWith('anthropic/') ? origin : `${origin}/v1`, api_key: 'sk-steps' },
    model_info: { id },
  });
  return [
    deployment('gpt-4o', 'openai/gpt-4o', 'one'),
    deployment('gpt-4o', 'openai/gpt-4o', 'two'),
    deployment('text-embedding-3-small', 'openai/text-embedding-3-small', 'embedding'),
    deployment('claude-sonnet-4-5', 'anthropic/claude-sonnet-4-5', 'claude'),
  ];
}

const coreOptions = (origin) => ({ router: { modelList: models(origin) }, tokenCounter: { preload: ['o200k_base'] } });

/** The gateway module alone: no key, no limit, no page. */
function plain(origin) {
  const { FastLiteLLMGatewayModule, FastLiteLLMModule } = require(join(ROOT, 'dist/lib/index.js'));
  return moduleOf({
    imports: [FastLiteLLMModule.forRoot(coreOptions(origin)), FastLiteLLMGatewayModule.forRoot({ rateLimit: { default: false } })],
  });
}

/** Keys, limits, metrics, dashboard and health: the gateway that users start. */
function full(origin, ...more) {
  const { TerminusModule } = require('@nestjs/terminus');
  const { PrometheusModule } = require('@willsoto/nestjs-prometheus');
  const lib = require(join(ROOT, 'dist/lib/index.js'));
  return moduleOf({
    imports: [
      lib.FastLiteLLMModule.forRoot(coreOptions(origin)),
      lib.FastLiteLLMKeysModule.forRoot({ masterKey: MASTER_KEY, store: lib.fileApiKeyStore(join(process.env.STEPS_FOLDER, 'keys.json')) }),
      lib.FastLiteLLMGatewayModule.forRoot({ rateLimit: { default: [{ requestsPerMinute: MANY, tokensPerMinute: MANY }] } }),
      lib.FastLiteLLMDashboardModule.forRoot({ token: MASTER_KEY }),
      PrometheusModule.register(),
      TerminusModule,
      ...more,
    ],
  });
}

/** The same with a spend log. Its statements are not part of a request. */
function logged(origin) {
  const { FastLiteLLMSpendModule } = require(join(ROOT, 'dist/lib/index.js'));
  const spend = {
    write: () => Promise.resolve(0),
    isRejection: () => false,
    createMonths: () => Promise.resolve(),
    dropBefore: () => Promise.resolve([]),
  };
  return full(origin, FastLiteLLMSpendModule.forRoot({ store: { spend, spendQueries: {}, close: () => Promise.resolve() } }));
}

module.exports = { ROOT, MASTER_KEY, bare, plain, full, logged };
