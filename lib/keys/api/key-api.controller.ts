import {
  Body,
  Controller,
  Get,
  Header,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { documentTag, needsBearer } from '../../common/openapi-metadata.js';
import { ApiKeyService } from '../api-keys.service.js';
import { KeyApi } from './key-api.js';
import type { KeyFields } from './key-fields.js';
import { MasterKeyGuard } from './master-key.guard.js';

/** No cache may keep an answer with a key. */
const NOT_STORED = ['cache-control', 'no-store'] as const;

/** The routes of LiteLLM's key API below a path, with an app's answer to errors. */
export function createKeyApiController(path: string, errorFilter: Type<ExceptionFilter>): Type<object> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseFilters(errorFilter)
  @needsBearer
  @documentTag('keys')
  class KeyApiController {
    private readonly api: KeyApi;

    constructor(private readonly keys: ApiKeyService) {
      this.api = new KeyApi(keys, keys.log);
    }

    @Post('generate')
    @HttpCode(200)
    @Header(...NOT_STORED)
    @UseGuards(MasterKeyGuard)
    generate(@Body() body: unknown): Promise<KeyFields> {
      return this.api.generate(body);
    }

    @Post('update')
    @HttpCode(200)
    @UseGuards(MasterKeyGuard)
    update(@Body() body: unknown): Promise<KeyFields> {
      return this.api.update(body);
    }

    @Post('regenerate')
    @HttpCode(200)
    @Header(...NOT_STORED)
    @UseGuards(MasterKeyGuard)
    regenerate(@Body() body: unknown): Promise<KeyFields> {
      return this.api.regenerate(body);
    }

    @Post(':key/regenerate')
    @HttpCode(200)
    @Header(...NOT_STORED)
    @UseGuards(MasterKeyGuard)
    regenerateNamed(@Param('key') key: string, @Body() body: unknown): Promise<KeyFields> {
      return this.api.regenerate(body, key);
    }

    @Post(':key/reset_spend')
    @HttpCode(200)
    @UseGuards(MasterKeyGuard)
    resetSpend(@Param('key') key: string, @Body() body: unknown): Promise<KeyFields> {
      return this.api.resetSpend(key, body);
    }

    @Post('block')
    @HttpCode(200)
    @UseGuards(MasterKeyGuard)
    block(@Body() body: unknown): Promise<KeyFields> {
      return this.api.block(body, true);
    }

    @Post('unblock')
    @HttpCode(200)
    @UseGuards(MasterKeyGuard)
    unblock(@Body() body: unknown): Promise<KeyFields> {
      return this.api.block(body, false);
    }

    @Post('delete')
    @HttpCode(200)
    @UseGuards(MasterKeyGuard)
    delete(@Body() body: unknown): Promise<KeyFields> {
      return this.api.delete(body);
    }

    @Get('crash_settlements')
    @UseGuards(MasterKeyGuard)
    crashSettlements(@Query() query: unknown): Promise<KeyFields> {
      return this.api.crashSettlements(query);
    }

    @Post('crash_settlements/refund')
    @HttpCode(200)
    @UseGuards(MasterKeyGuard)
    refundCrash(@Body() body: unknown): Promise<KeyFields> {
      return this.api.refundCrash(body);
    }

    @Get('list')
    @UseGuards(MasterKeyGuard)
    list(@Query() query: unknown): Promise<KeyFields> {
      return this.api.list(query);
    }

    /** Without `?key=` about the key that the request sends. */
    @Get('info')
    async info(@Query() query: unknown, @Req() request: { readonly headers: IncomingHttpHeaders }): Promise<KeyFields> {
      return this.api.info(query, await this.keys.authenticate(request.headers));
    }
  }
  return KeyApiController;
}
