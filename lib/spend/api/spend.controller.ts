import {
  Controller,
  Get,
  HttpException,
  Inject,
  Param,
  Query,
  Req,
  StreamableFile,
  UseFilters,
  UseInterceptors,
  VERSION_NEUTRAL,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { catchError, throwError, type Observable } from 'rxjs';
import { DatabaseError } from '../../common/errors.js';
import { documentTag, needsBearer } from '../../common/openapi-metadata.js';
import { EXPORT_TYPES } from '../export.js';
import { SPEND_DESK } from '../spend-desk.js';
import { SpendApi, type SpendDesk } from './spend-api.js';

interface SpendRequest {
  readonly headers: IncomingHttpHeaders;
}

const UNAVAILABLE = {
  message: 'The spend log is unavailable at the moment.',
  type: 'server_error',
  param: null,
  code: 'spend_log_unavailable',
};

/** Answers 503 while the database is unavailable. */
class UnavailableDatabase implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next
      .handle()
      .pipe(catchError((error: unknown) => throwError(() => (error instanceof DatabaseError ? unavailable(error) : error))));
  }
}

function unavailable(cause: DatabaseError): HttpException {
  return new HttpException({ error: UNAVAILABLE }, 503, { cause });
}

/** Creates a controller for LiteLLM's spend routes that uses the given error filter. */
export function createSpendController(errorFilter: Type<ExceptionFilter>): Type<object> {
  @Controller({ version: VERSION_NEUTRAL })
  @UseFilters(errorFilter)
  @UseInterceptors(UnavailableDatabase)
  @needsBearer
  @documentTag('spend')
  class SpendController {
    private readonly api: SpendApi;

    constructor(@Inject(SPEND_DESK) desk: SpendDesk) {
      this.api = new SpendApi(desk);
    }

    @Get('spend/logs')
    logs(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<unknown> {
      return this.api.logs(query, headers);
    }

    @Get(['spend/logs/v2', 'spend/logs/ui'])
    logPage(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.logPage(query, headers);
    }

    @Get('spend/logs/ui/:id')
    log(@Param('id') id: string, @Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.log(id, query, headers);
    }

    @Get('spend/tags')
    tags(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.tags(query, headers);
    }

    @Get('spend/export')
    async export(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<StreamableFile> {
      const { format, text } = await this.api.export(query, headers);
      const options = { type: EXPORT_TYPES[format], disposition: `attachment; filename="spend.${format}"` };
      // Reads the next page once the client has received the previous one, and stops when the
      // client disconnects.
      return new StreamableFile(Readable.from(text, { objectMode: false, highWaterMark: 64 * 1024 }), options);
    }

    @Get('global/spend')
    global(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.global(query, headers);
    }

    @Get('global/spend/report')
    report(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.report(query, headers);
    }

    @Get('global/spend/keys')
    globalKeys(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.globalKeys(query, headers);
    }

    @Get('global/spend/teams')
    globalTeams(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.globalTeams(query, headers);
    }

    @Get('global/spend/models')
    globalModels(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.globalModels(query, headers);
    }

    @Get('user/daily/activity')
    userActivity(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.activity('user', query, headers, false);
    }

    @Get('user/daily/activity/aggregated')
    userAggregated(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.activity('user', query, headers, true);
    }

    @Get('team/daily/activity')
    teamActivity(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.activity('team', query, headers, false);
    }

    @Get('team/daily/activity/aggregated')
    teamAggregated(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.activity('team', query, headers, true);
    }

    @Get('tag/daily/activity')
    tagActivity(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.activity('tag', query, headers, false);
    }

    @Get('tag/daily/activity/aggregated')
    tagAggregated(@Query() query: unknown, @Req() { headers }: SpendRequest): Promise<object> {
      return this.api.activity('tag', query, headers, true);
    }
  }
  return SpendController;
}
