import { errors, jwtVerify } from 'jose';
import type { Keys } from '../keys.ts';

/** The claims of a key or a session. */
export interface Claims {
  role: string;
  sub?: string;
  /** Seconds since 1970; missing for an API key. */
  exp?: number;
  [claim: string]: unknown;
}

/** An invalid token. The message is the same as on hosted; `code` precedes it in the answer to a join. */
export class TokenRefused extends Error {
  override name = 'TokenRefused';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Tokens {
  /** The claims of an API key, as in hosted's gateway. */
  ofKey(key: string | null): Claims | undefined;
  /** @throws {TokenRefused} */
  verify(token: string): Promise<Claims>;
}

export function createTokens({ jwtSecret, publishableKey, secretKey }: Keys): Tokens {
  const secret = new TextEncoder().encode(jwtSecret);
  return {
    ofKey(key) {
      if (key === publishableKey) return { role: 'anon' };
      if (key === secretKey) return { role: 'service_role' };
      return undefined;
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify<Claims>(token, secret, { algorithms: ['HS256'] });
        if (typeof payload.role === 'string' && payload.exp !== undefined) return payload;
      } catch (error) {
        throw refusal(error);
      }
      throw new TokenRefused('InvalidJWTToken', 'Fields `role` and `exp` are required in JWT');
    },
  };
}

function refusal(error: unknown): TokenRefused {
  if (error instanceof errors.JWTExpired) return expired(error.payload.exp!);
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return new TokenRefused('JwtSignatureError', 'Failed to validate JWT signature');
  return new TokenRefused('MalformedJWT', 'The token provided is not a valid JWT');
}

export function expired(exp: number): TokenRefused {
  const ago = Math.max(0, Math.floor(Date.now() / 1000) - exp);
  return new TokenRefused('InvalidJWTToken', `Token has expired ${ago} seconds ago`);
}
