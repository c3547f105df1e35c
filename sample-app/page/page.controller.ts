import { Controller, Get, Header } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FastLiteLLM, VERSION } from 'nestjs-fast-litellm';
import { renderPage } from './page.html.js';

const asset = (name: string): string => readFileSync(join(__dirname, name), 'utf8');
const assets = { script: asset('app.js'), styles: asset('app.css'), icon: asset('icon.svg') };

/** Content security policy: everything from this server, nothing inline, no frames. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The start page: shows what runs, and counts tokens while you type. */
@Controller()
export class PageController {
  constructor(private readonly llm: FastLiteLLM) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
  @Header('X-Content-Type-Options', 'nosniff')
  @Header('Referrer-Policy', 'no-referrer')
  @Header('Cache-Control', 'no-store')
  page(): string {
    return renderPage({
      version: VERSION,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      health: this.llm.healthCheck(),
      features: this.llm.featureFlags.getFeatureStatus(),
    });
  }

  @Get('app.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  @Header('X-Content-Type-Options', 'nosniff')
  @Header('Cache-Control', 'no-cache')
  script(): string {
    return assets.script;
  }

  @Get('app.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  @Header('X-Content-Type-Options', 'nosniff')
  @Header('Cache-Control', 'no-cache')
  styles(): string {
    return assets.styles;
  }

  @Get('icon.svg')
  @Header('Content-Type', 'image/svg+xml')
  @Header('X-Content-Type-Options', 'nosniff')
  @Header('Cache-Control', 'no-cache')
  icon(): string {
    return assets.icon;
  }
}
