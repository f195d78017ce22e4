/* Threads that say themselves where their time went. `threads MODE`: a line for each thread, when it ends:
 *
 *     TID WALL_NS CPU_NS RUN_DELAY_NS STATE BLOCKED_NS MADE_NS
 *
 * all since it was made: wall and CPU time by the clocks, the time it waited for a CPU from /proc, and how long it was
 * blocked in calls of one kind. What it ran and waited for a CPU inside these is taken off. Where the kernel counts more
 * waiting for a CPU than such a call took, as in 4 of 180 runs of 300 writes, that is no waiting. MADE_NS: how long
 * making it took at most, which the kernel does not count as waiting for a CPU. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000L

static long now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static long run_delay(void)
{
	char path[64], text[128] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", syscall(SYS_gettid));
	int fd = open(path, O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return strtol(strchr(text, ' '), NULL, 10);
}

static __thread long began, blocked, inside, making, miscounted;

/* Time that passed while the thread neither ran nor could have. */
static long idle(void)
{
	return now(CLOCK_BOOTTIME) - now(CLOCK_THREAD_CPUTIME_ID) - run_delay();
}

static void enter(void)
{
	inside = idle();
}

static void leave(void)
{
	long was = idle() - inside;
	if (was < 0)
		miscounted -= was;
	else
		blocked += was;
}

static void end(const char *state)
{
	long waited = run_delay() - miscounted, used = now(CLOCK_THREAD_CPUTIME_ID), wall = now(CLOCK_BOOTTIME) - began;
	printf("%ld %ld %ld %ld %s %ld %ld\n", syscall(SYS_gettid), wall, used, waited, state, blocked, making);
	fflush(stdout);
}

static void rest(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * MS};
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void spin(long ms)
{
	for (long until = now(CLOCK_THREAD_CPUTIME_ID) + ms * MS; now(CLOCK_THREAD_CPUTIME_ID) < until;)
		;
}

static void *spinner(void *unused)
{
	spin(1500);
	end("running");
	return unused;
}

static void *sleeper(void *unused)
{
	for (int i = 0; i < 30; i++) {
		enter();
		rest(40);
		leave();
		spin(2);
	}
	end("sleep");
	return unused;
}

static int ends[2];

static void *reader(void *unused)
{
	char byte;
	for (;;) {
		enter();
		long n = read(ends[0], &byte, 1);
		leave();
		if (n != 1)
			break;
	}
	end("pipe");
	return unused;
}

static void *writer(void *unused)
{
	for (int i = 0; i < 30; i++) {
		enter();
		rest(40);
		leave();
		write(ends[1], "", 1);
	}
	close(ends[1]);
	end("sleep");
	return unused;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *holder(void *unused)
{
	for (int i = 0; i < 12; i++) {
		enter();
		pthread_mutex_lock(&lock);
		leave();
		rest(10);
		pthread_mutex_unlock(&lock);
	}
	end("lock");
	return unused;
}

static void *fsyncer(void *unused)
{
	char block[4096] = "";
	int fd = open("journal.log", O_WRONLY | O_CREAT | O_SYNC, 0600);
	for (int i = 0; i < 300; i++) {
		enter();
		write(fd, block, sizeof(block));
		leave();
	}
	end("disk");
	return unused;
}

static struct sockaddr_in address = {.sin_family = AF_INET};

static void *server(void *listening)
{
	int fd = accept((long)listening, NULL, NULL);
	char byte;
	while (read(fd, &byte, 1) == 1) {
		rest(40);
		write(fd, "", 1);
	}
	close(fd);
	end("-");
	return NULL;
}

static void *client(void *unused)
{
	char byte;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	connect(fd, (void *)&address, sizeof(address));
	for (int i = 0; i < 30; i++) {
		write(fd, "", 1);
		enter();
		read(fd, &byte, 1);
		leave();
	}
	close(fd);
	end("network");
	return unused;
}

static void *poller(void *unused)
{
	struct pollfd of = {ends[0], POLLIN, 0};
	for (int i = 0; i < 30; i++) {
		enter();
		poll(&of, 1, 40);
		leave();
	}
	end("poll");
	return unused;
}

static void *parent(void *unused)
{
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();
		if (!child) {
			rest(100);
			_exit(0);
		}
		enter();
		waitpid(child, NULL, 0);
		leave();
	}
	end("child");
	return unused;
}

static struct thread {
	pthread_t id;
	long made;
	void *(*body)(void *);
	void *argument;
} threads[16];
static int made;

static void *begin(void *thread)
{
	struct thread *t = thread;
	began = t->made;
	making = idle() - began;
	return t->body(t->argument);
}

static void run(int n, void *(*body)(void *), void *argument)
{
	for (; n > 0; n--) {
		struct thread *t = &threads[made++];
		*t = (struct thread){.made = now(CLOCK_BOOTTIME), .body = body, .argument = argument};
		pthread_create(&t->id, NULL, begin, t);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	pipe(ends);
	if (!strcmp(mode, "spinner"))
		run(1, spinner, NULL);
	if (!strcmp(mode, "sleeper"))
		run(1, sleeper, NULL);
	if (!strcmp(mode, "pipe"))
		run(1, reader, NULL), run(1, writer, NULL);
	if (!strcmp(mode, "convoy"))
		run(8, holder, NULL);
	if (!strcmp(mode, "disk"))
		run(1, fsyncer, NULL);
	if (!strcmp(mode, "poll"))
		run(1, poller, NULL);
	if (!strcmp(mode, "child"))
		run(1, parent, NULL);
	if (!strcmp(mode, "tcp")) {
		socklen_t length = sizeof(address);
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		bind(fd, (void *)&address, length);
		getsockname(fd, (void *)&address, &length);
		listen(fd, 1);
		run(1, server, (void *)(long)fd), run(1, client, NULL);
	}
	for (int i = 0; i < made; i++)
		pthread_join(threads[i].id, NULL);
}
