// Counts the primes up to N. N comes from standard input; without it N is 100000.
#include <bits/stdc++.h>

int main() {
    long limit = 0;
    if (!(std::cin >> limit)) limit = 100000;

    std::vector<bool> composite(limit + 1);
    long count = 0, largest = -1;
    for (long n = 2; n <= limit; ++n) {
        if (composite[n]) continue;
        ++count;
        largest = n;
        for (long multiple = n * n; multiple <= limit; multiple += n) composite[multiple] = true;
    }

    std::cout << limit << ": " << count << " primes, the largest is " << largest << "\n";
}
