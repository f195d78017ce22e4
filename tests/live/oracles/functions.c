/* Functions that say themselves where the time went. It has frame pointers: build it with -O1 -fno-omit-frame-pointer
 * -mno-omit-leaf-frame-pointer -fno-optimize-sibling-calls.
 *
 * `functions run SECONDS`: runs for so long on a CPU; prints `NAME NS` of each function that ran, its CPU time.
 * `functions rest TIMES`: sleeps so often, in two functions; prints `NAME NS` of each, how long it was asleep: the time
 * that passed, less what it waited for a CPU after it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000L
#define FUNCTION __attribute__((noinline)) void

static volatile unsigned long sink;

static long now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static long run_delay(void)
{
	char text[128] = "";
	int fd = open("/proc/thread-self/schedstat", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return strtol(strchr(text, ' '), NULL, 10);
}

FUNCTION half(unsigned long rounds)
{
	for (unsigned long i = 0; i < rounds; i++)
		sink = sink * 3 + i;
}

FUNCTION third(unsigned long rounds)
{
	for (unsigned long i = 0; i < rounds; i++)
		sink = sink * 5 + i;
}

FUNCTION sixth(unsigned long rounds)
{
	for (unsigned long i = 0; i < rounds; i++)
		sink = sink * 7 + i;
}

/* A stack skips the caller of a function of the C library, which has no frame: this one. */
FUNCTION nap(long ns)
{
	struct timespec t = {ns / 1000000000L, ns % 1000000000L};
	nanosleep(&t, NULL);
}

FUNCTION rests_short(void)
{
	nap(20 * MS);
}

FUNCTION rests_long(void)
{
	nap(50 * MS);
}

FUNCTION run(double seconds)
{
	static void (*const functions[])(unsigned long) = {half, third, sixth};
	static const char *const names[] = {"half", "third", "sixth"};
	long spent[3] = {0}, until = now(CLOCK_PROCESS_CPUTIME_ID) + (long)(seconds * 1e9), begin = 0;
	while (begin < until)
		for (int i = 0; i < 3; i++) {
			begin = now(CLOCK_PROCESS_CPUTIME_ID);
			functions[i](6 * 100000 / (i == 0 ? 2 : i == 1 ? 3 : 6));
			spent[i] += now(CLOCK_PROCESS_CPUTIME_ID) - begin;
		}
	for (int i = 0; i < 3; i++)
		printf("%s %ld\n", names[i], spent[i]);
}

FUNCTION rest(int times)
{
	static void (*const functions[])(void) = {rests_short, rests_long};
	static const char *const names[] = {"rests_short", "rests_long"};
	long asleep[2] = {0};
	for (int i = 0; i < 2 * times; i++) {
		long waited = run_delay(), begin = now(CLOCK_MONOTONIC);
		functions[i % 2]();
		long took = now(CLOCK_MONOTONIC) - begin;
		asleep[i % 2] += took - (run_delay() - waited);
	}
	for (int i = 0; i < 2; i++)
		printf("%s %ld\n", names[i], asleep[i]);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (!strcmp(argv[1], "run"))
		run(atof(argv[2]));
	else
		rest(atoi(argv[2]));
	return 0;
}
