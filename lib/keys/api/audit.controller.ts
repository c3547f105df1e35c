import {
  Controller,
  Get,
  HttpException,
  Param,
  Query,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import type { AuditLog } from '../../common/audit-log.js';
import { DatabaseError } from '../../common/errors.js';
import { ApiKeyError } from '../../common/http-errors.js';
import { documentTag, needsBearer } from '../../common/openapi-metadata.js';
import { ApiKeyService } from '../api-keys.service.js';
import { auditEntryById, listAuditLog } from './audit-api.js';
import type { KeyFields } from './key-fields.js';
import { MasterKeyGuard } from './master-key.guard.js';

const NO_LOG = {
  message: 'The store of API keys has no audit log; set keys.store to postgresStore({ url }).',
  type: 'invalid_request_error',
  param: null,
  code: 'audit_log_missing',
};

/** LiteLLM's `GET /audit` and `GET /audit/{id}` at a path, with an app's answer to errors. */
export function createAuditController(path: string, errorFilter: Type<ExceptionFilter>): Type<object> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseFilters(errorFilter)
  @UseGuards(MasterKeyGuard)
  @needsBearer
  @documentTag('keys')
  class AuditController {
    constructor(private readonly keys: ApiKeyService) {}

    @Get()
    list(@Query() query: unknown): Promise<KeyFields> {
      return this.answering((log) => listAuditLog(log, query));
    }

    @Get(':id')
    entry(@Param('id') id: string): Promise<KeyFields> {
      return this.answering((log) => auditEntryById(log, id));
    }

    private async answering(ask: (log: AuditLog) => Promise<KeyFields>): Promise<KeyFields> {
      const { auditLog } = this.keys;
      if (auditLog === undefined) throw new HttpException({ error: NO_LOG }, 409);
      try {
        return await ask(auditLog);
      } catch (error) {
        throw error instanceof DatabaseError ? new ApiKeyError('unavailable', { cause: error }) : error;
      }
    }
  }
  return AuditController;
}
