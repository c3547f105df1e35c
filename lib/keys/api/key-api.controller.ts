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
  applyDecorators,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import { ApiKeyError } from '../../common/http-errors.js';
import { documentTag, needsBearer } from '../../common/openapi-metadata.js';
import { ApiKeyService } from '../api-keys.service.js';
import { masterOf, type ManagedRequest } from './audit-actor.js';
import { KeyApi } from './key-api.js';
import type { KeyFields } from './key-fields.js';
import { MasterKeyGuard } from './master-key.guard.js';

/** No cache may keep an answer with a key. */
const NOT_STORED = ['cache-control', 'no-store'] as const;

/** A route for holders of the master key. */
function ManagerPost(path: string): MethodDecorator {
  return applyDecorators(Post(path), HttpCode(200), UseGuards(MasterKeyGuard));
}

function ManagerGet(path: string): MethodDecorator {
  return applyDecorators(Get(path), UseGuards(MasterKeyGuard));
}

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

    @ManagerPost('generate')
    @Header(...NOT_STORED)
    generate(@Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.generate(body, masterOf(request));
    }

    @ManagerPost('update')
    update(@Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.update(body, masterOf(request));
    }

    @ManagerPost('regenerate')
    @Header(...NOT_STORED)
    regenerate(@Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.regenerate(body, masterOf(request));
    }

    @ManagerPost(':key/regenerate')
    @Header(...NOT_STORED)
    regenerateNamed(@Param('key') key: string, @Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.regenerate(body, masterOf(request), key);
    }

    @ManagerPost(':key/reset_spend')
    resetSpend(@Param('key') key: string, @Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.resetSpend(key, body, masterOf(request));
    }

    @ManagerPost('block')
    block(@Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.block(body, true, masterOf(request));
    }

    @ManagerPost('unblock')
    unblock(@Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.block(body, false, masterOf(request));
    }

    @ManagerPost('delete')
    delete(@Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.delete(body, masterOf(request));
    }

    @ManagerGet('crash_settlements')
    crashSettlements(@Query() query: unknown): Promise<KeyFields> {
      return this.api.crashSettlements(query);
    }

    @ManagerPost('crash_settlements/refund')
    refundCrash(@Body() body: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      return this.api.refundCrash(body, masterOf(request));
    }

    @ManagerGet('list')
    list(@Query() query: unknown): Promise<KeyFields> {
      return this.api.list(query);
    }

    /** Without `?key=` about the key that the request sends. */
    @Get('info')
    async info(@Query() query: unknown, @Req() request: ManagedRequest): Promise<KeyFields> {
      const principal = await this.keys.authenticate(request.headers);
      if (principal.mayRequest?.('/key/info') === false) throw new ApiKeyError('route_not_allowed');
      return this.api.info(query, principal);
    }
  }
  return KeyApiController;
}
