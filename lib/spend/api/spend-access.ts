import { HttpException } from '@nestjs/common';
import type { Principal } from '../../http/principal.js';
import type { SpendFilter } from '../spend-queries.js';

/** Whether a user is an admin of a team. */
export type IsTeamAdmin = (team: string, user: string) => Promise<boolean>;

const NOT_VISIBLE = {
  message: 'This key can read only its own spend; use the master key, or the key of a team admin.',
  type: 'invalid_request_error',
  param: null,
  code: 'spend_not_visible',
};

/** 403 for the spend of others. */
export function notVisible(): HttpException {
  return new HttpException({ error: NOT_VISIBLE }, 403);
}

/**
 * Restricts a query to calls that the sender may read: all calls with the master key, the team's
 * calls for team admins, otherwise the calls of the key's user, or of the key if it has no user.
 * @throws HttpException (403) if the query names another user, key or team.
 */
export async function visibleTo(sender: Principal, asked: SpendFilter, isTeamAdmin: IsTeamAdmin): Promise<SpendFilter> {
  if (sender.isAdmin) return asked;
  const teams = asked.team === undefined ? [] : [asked.team].flat();
  const { user } = sender;
  if (teams.length > 0 && user !== undefined) {
    const isAdmin = await Promise.all(teams.map((team) => isTeamAdmin(team, user)));
    if (isAdmin.every(Boolean)) return asked;
  }
  if (teams.some((team) => team !== sender.team)) throw notVisible();
  if (user !== undefined) return { ...asked, user: own(asked.user, user) };
  // A key outside the store has no calls of its own.
  if (sender.keyId === undefined) throw notVisible();
  return { ...asked, key: own(asked.key, sender.keyId) };
}

function own(asked: string | readonly string[] | undefined, id: string): string {
  if (asked !== undefined && [asked].flat().some((each) => each !== id)) throw notVisible();
  return id;
}
