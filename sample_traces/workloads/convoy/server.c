// A booking server: seven workers, with a connection each, and a thread that writes the log. They share one mutex.
//
// A booking takes a few microseconds under the mutex. log-writer holds it for 20 ms or more each time: it computes the
// checksum of the whole log before it lets go. So the workers queue up behind it.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS 7
#define PORT 7070
#define SEATS 4096
#define LOG_BYTES (1 << 20)
#define PAUSE_US 15000

static pthread_mutex_t books = PTHREAD_MUTEX_INITIALIZER;
static uint32_t seats[SEATS];
static char log_text[LOG_BYTES];
static size_t log_end;
static atomic_int left;  // visitors

static int check(int result, const char *call)
{
	if (result < 0) {
		perror(call);
		exit(1);
	}
	return result;
}

// The CRC-32 of zlib, bit by bit.
static uint32_t checksum(const char *text, size_t bytes)
{
	uint32_t sum = ~0u;
	for (size_t i = 0; i < bytes; i++) {
		sum ^= (uint8_t)text[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (0xedb88320 & -(sum & 1));
	}
	return ~sum;
}

static void write_log(int file)
{
	char line[64];
	pthread_mutex_lock(&books);
	int bytes = snprintf(line, sizeof(line), "%zu bytes, checksum %08x\n", log_end, checksum(log_text, LOG_BYTES));
	pthread_mutex_unlock(&books);
	check(write(file, line, bytes), "write");
}

static void *log_writer(void *unused)
{
	int file = check(open("bookings.log", O_WRONLY | O_CREAT | O_TRUNC, 0644), "open");
	while (check(usleep(PAUSE_US), "usleep") == 0)
		write_log(file);
	return unused;
}

static uint32_t book(uint32_t seat)
{
	pthread_mutex_lock(&books);
	uint32_t bookings = ++seats[seat % SEATS];
	log_end += snprintf(log_text + log_end, LOG_BYTES - log_end, "seat %u, booking %u\n", seat % SEATS, bookings);
	pthread_mutex_unlock(&books);
	return bookings;
}

static void *worker(void *argument)
{
	int connection = (intptr_t)argument;
	uint32_t seat;
	while (check(recv(connection, &seat, sizeof(seat), 0), "recv") == sizeof(seat)) {
		uint32_t bookings = book(seat);
		check(send(connection, &bookings, sizeof(bookings), 0), "send");
	}
	if (++left == WORKERS)
		exit(0);
	return NULL;
}

static void start(void *(*runs)(void *), intptr_t argument, const char *name)
{
	pthread_t thread;
	check(-pthread_create(&thread, NULL, runs, (void *)argument), "pthread_create");
	check(-pthread_setname_np(thread, name), "pthread_setname_np");
}

int main(void)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int on = 1, listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "setsockopt");
	check(bind(listener, (struct sockaddr *)&here, sizeof(here)), "bind");
	check(listen(listener, WORKERS), "listen");
	memset(log_text, '.', LOG_BYTES);
	start(log_writer, 0, "log-writer");
	for (int i = 1;; i++) {
		char name[16];
		int connection = check(accept(listener, NULL, NULL), "accept");
		snprintf(name, sizeof(name), "worker-%d", i);
		start(worker, connection, name);
	}
}
