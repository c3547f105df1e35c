import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { ApiKeyError } from '../../common/http-errors.js';
import { ApiKeyService } from '../api-keys.service.js';

/** Accepts requests with the master key only. */
@Injectable()
export class MasterKeyGuard implements CanActivate {
  constructor(private readonly keys: ApiKeyService) {}

  /** @throws ApiKeyError: 401 without a valid key, 403 with another one than the master key. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { headers } = context.switchToHttp().getRequest<{ readonly headers: IncomingHttpHeaders }>();
    if ((await this.keys.authenticate(headers)).isAdmin) return true;
    throw new ApiKeyError('not_admin');
  }
}
