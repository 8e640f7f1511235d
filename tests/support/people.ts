/** The cast: alice owns, bob operates, carol views, mallory is a stranger who merely signed up. */
export type PersonName = 'alice' | 'bob' | 'carol' | 'mallory';

export interface Person {
  name: PersonName;
  email: string;
  password: string;
  /** Their role in hp_member; mallory has none. */
  role?: 'owner' | 'operator' | 'viewer';
  /** Their id in auth.users. */
  id: string;
}

export type Cast = Record<PersonName, Person>;

export const roles: Record<PersonName, Person['role']> = {
  alice: 'owner',
  bob: 'operator',
  carol: 'viewer',
  mallory: undefined,
};
