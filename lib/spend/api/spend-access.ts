import { HttpException } from '@nestjs/common';
import type { Principal } from '../../http/principal.js';
import type { SpendFilter } from '../spend-queries.js';

/** Whether a user is an admin of a team. */
export type IsTeamAdmin = (team: string, user: string) => Promise<boolean>;

const NOT_VISIBLE = {
  message: 'This key shows only its own spend; use the master key, or a key of an admin of the team.',
  type: 'invalid_request_error',
  param: null,
  code: 'spend_not_visible',
};

/** The spend of others: 403. */
export function notVisible(): HttpException {
  return new HttpException({ error: NOT_VISIBLE }, 403);
}

/**
 * What a sender may see of what is asked for: everything with the master key, a team for its
 * admins, otherwise the own calls: those of the key's user, or of a key without a user.
 * @throws HttpException (403) if the question names a user, a key or a team of others.
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
  // A key that is in no store has no calls of its own.
  if (sender.keyId === undefined) throw notVisible();
  return { ...asked, key: own(asked.key, sender.keyId) };
}

function own(asked: string | readonly string[] | undefined, id: string): string {
  if (asked !== undefined && [asked].flat().some((each) => each !== id)) throw notVisible();
  return id;
}
