import { describe, expect, it } from 'vitest';
import { network } from '../../../../src/lib/server/auth/sign-in-limit.ts';

describe('the network of an address at sign-in', () => {
  it('is an address of IPv4, however it is written', () => {
    expect(network('192.0.2.1')).toBe(network('::ffff:192.0.2.1'));
    expect(network('192.0.2.1, 10.0.0.1')).toBe(network('192.0.2.1'));
    expect(network('192.0.2.1')).not.toBe(network('192.0.2.2'));
  });

  it('is a network of IPv6', () => {
    const home = network('2001:db8:1:2::1');
    for (const same of ['2001:db8:1:2:ffff::9', '2001:0DB8:0001:0002::', '2001:db8:1:2:3:4:5:6'])
      expect(network(same)).toBe(home);
    expect(network('2001:db8:1:3::1')).not.toBe(home);
    expect(network('::1')).toBe(network('0:0:0:0::2'));
  });

  it('is never sent as it is', () => {
    expect(network('192.0.2.1')).not.toContain('192');
  });
});
