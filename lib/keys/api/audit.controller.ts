import {
  Controller,
  Get,
  HttpException,
  Query,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import { DatabaseError } from '../../common/errors.js';
import { ApiKeyError } from '../../common/http-errors.js';
import { documentTag, needsBearer } from '../../common/openapi-metadata.js';
import { ApiKeyService } from '../api-keys.service.js';
import { listAuditLog } from './audit-api.js';
import type { KeyFields } from './key-fields.js';
import { MasterKeyGuard } from './master-key.guard.js';

const NO_LOG = {
  message: 'The store of API keys keeps no audit log: set keys.store to postgresStore({ url }).',
  type: 'invalid_request_error',
  param: null,
  code: 'audit_log_missing',
};

/** LiteLLM's `GET /audit` at a path, with an app's answer to errors. */
export function createAuditController(path: string, errorFilter: Type<ExceptionFilter>): Type<object> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseFilters(errorFilter)
  @UseGuards(MasterKeyGuard)
  @needsBearer
  @documentTag('keys')
  class AuditController {
    constructor(private readonly keys: ApiKeyService) {}

    @Get()
    async list(@Query() query: unknown): Promise<KeyFields> {
      const { auditLog } = this.keys;
      if (auditLog === undefined) throw new HttpException({ error: NO_LOG }, 409);
      try {
        return await listAuditLog(auditLog, query);
      } catch (error) {
        throw error instanceof DatabaseError ? new ApiKeyError('unavailable', { cause: error }) : error;
      }
    }
  }
  return AuditController;
}
