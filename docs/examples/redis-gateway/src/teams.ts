import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';

export interface TeamRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  team?: string;
}

/** API keys and their teams: a table of your database. */
const TEAMS: ReadonlyMap<string, string> = new Map([
  ['key-of-red', 'red'],
  ['key-of-blue', 'blue'],
]);

/** Lets requests with a known API key pass, and remembers whose they are. */
@Injectable()
export class TeamGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<TeamRequest>();
    const { authorization = '', 'x-api-key': apiKey } = request.headers;
    request.team = TEAMS.get(apiKey ?? authorization.replace(/^Bearer /i, ''));
    if (request.team === undefined) throw new UnauthorizedException('unknown API key');
    return true;
  }
}
