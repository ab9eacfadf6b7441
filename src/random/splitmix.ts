/**
 * splitmix64 (Steele, Lea and Flood, 2014): a one-to-one mixing of 64 bits. Inputs that differ in one bit give outputs that
 * have nothing in common; other generators take their states from it.
 */
export function splitmix64(x: bigint): bigint {
  let z = BigInt.asUintN(64, x + 0x9e3779b97f4a7c15n);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}
