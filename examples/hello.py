"""Counts the primes up to N. N comes from standard input; without it N is 100000."""
import sys

text = sys.stdin.read().split()
limit = int(text[0]) if text else 100_000

is_prime = bytearray([1]) * (limit + 1)
is_prime[:2] = bytes(min(2, limit + 1))
for n in range(2, int(limit**0.5) + 1):
    if is_prime[n]:
        is_prime[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))

print(f"{limit}: {is_prime.count(1)} primes, the largest is {is_prime.rfind(1)}")
