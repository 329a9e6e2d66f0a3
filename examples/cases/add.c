/* Adds the numbers on standard input. The .in files beside it are cases: palisade test examples/cases/add.c --cases examples/cases */
#include <stdio.h>

int main(void) {
    long sum = 0, number;
    while (scanf("%ld", &number) == 1) {
        sum += number;
    }
    printf("%ld\n", sum);
    return 0;
}
