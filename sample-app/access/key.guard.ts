import { Injectable, type ExecutionContext } from '@nestjs/common';
import { ApiKeyGuard } from 'nestjs-fast-litellm';
import { readGatewaySettings } from './gateway-settings.js';

/** Requires an API key where the gateway has a master key, as the gateway's own routes do. */
@Injectable()
export class KeyGuard extends ApiKeyGuard {
  private readonly isRequired = readGatewaySettings(process.env).masterKey !== null;

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    return !this.isRequired || super.canActivate(context);
  }
}
