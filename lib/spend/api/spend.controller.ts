import {
  Controller,
  Get,
  HttpException,
  Inject,
  Injectable,
  Param,
  Query,
  StreamableFile,
  UseFilters,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
  createParamDecorator,
  type CanActivate,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { PATH_METADATA } from '@nestjs/common/constants.js';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { catchError, throwError, type Observable } from 'rxjs';
import { DatabaseError } from '../../common/errors.js';
import { ApiKeyError } from '../../common/http-errors.js';
import { documentTag, needsBearer } from '../../common/openapi-metadata.js';
import type { Principal } from '../../http/principal.js';
import { RequestContext } from '../../http/request-context.js';
import { EXPORT_TYPES } from '../export.js';
import { SPEND_SERVICES } from '../spend-services.js';
import { SpendApi, type SpendServices } from './spend-api.js';

interface SpendRequest {
  readonly headers: IncomingHttpHeaders;
}

/** The principal that `SpendGuard` has authenticated. */
const Sender = createParamDecorator<void>((_, context) => RequestContext.of(context.switchToHttp().getRequest<SpendRequest>()).principal);

/** Authenticates the sender, whose key must be allowed to request the route. */
@Injectable()
class SpendGuard implements CanActivate {
  constructor(@Inject(SPEND_SERVICES) private readonly services: SpendServices) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<SpendRequest>();
    const sender = (RequestContext.of(request).principal ??= await this.services.authenticate(request.headers));
    // Without the app's global prefix, as `allowedRoutes` name them.
    const paths = [Reflect.getMetadata(PATH_METADATA, context.getHandler()) as string | readonly string[]].flat();
    if (sender.mayRequest !== undefined && !paths.some(sender.mayRequest)) throw new ApiKeyError('route_not_allowed');
    return true;
  }
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
  @UseGuards(SpendGuard)
  @UseInterceptors(UnavailableDatabase)
  @needsBearer
  @documentTag('spend')
  class SpendController {
    private readonly api: SpendApi;

    constructor(@Inject(SPEND_SERVICES) services: SpendServices) {
      this.api = new SpendApi(services);
    }

    @Get('spend/logs')
    logs(@Query() query: unknown, @Sender() sender: Principal): Promise<unknown> {
      return this.api.logs(query, sender);
    }

    @Get(['spend/logs/v2', 'spend/logs/ui'])
    logPage(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.logPage(query, sender);
    }

    @Get('spend/logs/ui/:id')
    log(@Param('id') id: string, @Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.log(id, query, sender);
    }

    @Get('spend/tags')
    tags(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.tags(query, sender);
    }

    @Get('spend/export')
    async export(@Query() query: unknown, @Sender() sender: Principal): Promise<StreamableFile> {
      const { format, text } = await this.api.export(query, sender);
      const options = { type: EXPORT_TYPES[format], disposition: `attachment; filename="spend.${format}"` };
      // Reads the next page once the client has received the previous one, and stops when the
      // client disconnects.
      return new StreamableFile(Readable.from(text, { objectMode: false, highWaterMark: 64 * 1024 }), options);
    }

    @Get('global/spend')
    global(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.global(query, sender);
    }

    @Get('global/spend/report')
    report(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.report(query, sender);
    }

    @Get('global/spend/keys')
    globalKeys(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.globalKeys(query, sender);
    }

    @Get('global/spend/teams')
    globalTeams(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.globalTeams(query, sender);
    }

    @Get('global/spend/models')
    globalModels(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.globalModels(query, sender);
    }

    @Get('global/spend/logs')
    globalLogs(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.globalLogs(query, sender);
    }

    @Get('global/activity')
    globalActivity(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.globalActivity(query, sender);
    }

    @Get('global/activity/model')
    globalModelActivity(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.globalModelActivity(query, sender);
    }

    @Get('user/daily/activity')
    userActivity(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.activity('user', query, sender, false);
    }

    @Get('user/daily/activity/aggregated')
    userAggregated(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.activity('user', query, sender, true);
    }

    @Get('team/daily/activity')
    teamActivity(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.activity('team', query, sender, false);
    }

    @Get('team/daily/activity/aggregated')
    teamAggregated(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.activity('team', query, sender, true);
    }

    @Get('tag/daily/activity')
    tagActivity(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.activity('tag', query, sender, false);
    }

    @Get('tag/daily/activity/aggregated')
    tagAggregated(@Query() query: unknown, @Sender() sender: Principal): Promise<object> {
      return this.api.activity('tag', query, sender, true);
    }
  }
  return SpendController;
}
