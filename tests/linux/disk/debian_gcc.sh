# SPDX-License-Identifier: MIT
# gcc compiles, assembles, links; what it made runs, with shared and static C library, and with a library of its own.
PATH=/usr/bin:/bin
[ "${BASH_VERSION-}" ] || exec bash "$0"  # busybox's shell would take its own applets
export PATH LC_ALL=C
cat > hello.c <<'END'
#include <stdio.h>
int main(int argc, char **argv) {
    printf("Hello from %d argument%s\n", argc, argc == 1 ? "" : "s");
    for (int i = 1; i < argc; ++i) puts(argv[i]);
    return 7;
}
END
gcc -Wall -O2 -o hello hello.c && ./hello a b; echo $?
gcc -static -o hello_static hello.c && ./hello_static; echo $?
cat > sum.c <<'END'
int sum(const int *values, int count) { int s = 0; while (count--) s += *values++; return s; }
END
cat > main.c <<'END'
#include <stdio.h>
#include <math.h>
#include <pthread.h>
int sum(const int *values, int count);
static void *run(void *to) { *(double *)to = sqrt(2); return 0; }
int main(void) {
    int v[] = {1, 2, 3, 4};
    double root;
    pthread_t thread;
    pthread_create(&thread, 0, run, &root);
    pthread_join(thread, 0);
    printf("%d %.6f\n", sum(v, 4), root);
    return 0;
}
END
gcc -shared -fPIC -o libsum.so sum.c && gcc -pthread -o main main.c -L. -lsum -lm -Wl,-rpath,'$ORIGIN' && ./main
gcc -c sum.c main.c && ar rc libsum.a sum.o && gcc -pthread -o main2 main.o libsum.a -lm && ./main2
echo 'int main(void) { return undeclared; }' > wrong.c; gcc wrong.c 2>&1 | sed 's/^[^:]*wrong.c/wrong.c/'; ls a.out 2>&1
gcc -E -dM - </dev/null | grep -c __ ; gcc -S -O1 -o - sum.c | grep -c ret; gcc --version | head -n 1
rm -f hello* sum.* main* libsum.* wrong.c
