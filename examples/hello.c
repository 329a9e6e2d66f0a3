/* Counts the primes up to N. N comes from standard input; without it N is 100000. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    long limit;
    if (scanf("%ld", &limit) != 1) limit = 100000;

    char *composite = calloc((size_t)limit + 1, 1);
    if (composite == NULL) {
        perror("calloc");
        return 1;
    }
    long count = 0, largest = -1;
    for (long n = 2; n <= limit; n++) {
        if (composite[n]) continue;
        count++;
        largest = n;
        for (long multiple = n * n; multiple <= limit; multiple += n) composite[multiple] = 1;
    }

    printf("%ld: %ld primes, the largest is %ld\n", limit, count, largest);
    free(composite);
    return 0;
}
