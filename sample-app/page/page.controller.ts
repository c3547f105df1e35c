import { Controller, Get, Header, Req, Res } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FastLiteLLM, RouterService, VERSION } from 'nestjs-fast-litellm';

const asset = (name: string, type: string) => ({ type, text: readFileSync(join(__dirname, name), 'utf8') });
const ASSETS: Readonly<Record<string, ReturnType<typeof asset>>> = {
  '/app.js': asset('app.js', 'text/javascript; charset=utf-8'),
  '/app.css': asset('app.css', 'text/css; charset=utf-8'),
  '/icon.svg': asset('icon.svg', 'image/svg+xml'),
};
const PAGE = asset('index.html', 'text/html; charset=utf-8');
/** Everything from this server, nothing inline, no frames. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The used parts of Fastify's request and reply. */
type Request = { readonly routeOptions: { readonly url: string } };
type Reply = { header(name: string, value: string): unknown };

/** The start page: counts tokens while you type, and shows what runs. */
@Controller()
export class PageController {
  constructor(
    private readonly llm: FastLiteLLM,
    private readonly router: RouterService,
  ) {}

  @Get()
  @Header('Content-Type', PAGE.type)
  @Header('Content-Security-Policy', POLICY)
  @Header('Referrer-Policy', 'no-referrer')
  page(): string {
    return PAGE.text;
  }

  /** What the page shows of this process. */
  @Get('state')
  @Header('Cache-Control', 'no-store')
  state(): object {
    const { status, reason, components } = this.llm.healthCheck();
    const { engine, reason: engineReason } = components.token_counting;
    return {
      version: VERSION,
      engine,
      why: engineReason ?? reason ?? 'as configured',
      health: status,
      deployments: this.router.status().map(({ id, group, state, inFlight }) => ({ id, group, state, inFlight })),
      features: this.llm.featureFlags.getFeatureStatus(),
    };
  }

  @Get(Object.keys(ASSETS))
  @Header('Cache-Control', 'no-cache')
  asset(@Req() request: Request, @Res({ passthrough: true }) reply: Reply): string {
    const { type, text } = ASSETS[request.routeOptions.url];
    reply.header('Content-Type', type);
    return text;
  }
}
