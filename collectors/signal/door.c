/* See door.h. */
#include "collectors/signal/door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/util/xalloc.h"

#define RENEW_MS 250
#define HELLO_MS 200 /* a visitor says who it is at once, or is sent away */

struct signal_door {
	struct signal_door_options options;
	pthread_t thread;
	pthread_mutex_t mutex; /* of all below */
	signal_process_vec inside, newcomers;
	vec(pid_t) expected;
	int newcomer_fd, stop_fd;
};

static struct signal_process *find(struct signal_door *d, pid_t pid)
{
	for (size_t i = d->newcomers.n; i--; )
		if (d->newcomers.items[i]->pid == pid)
			return d->newcomers.items[i];
	for (size_t i = d->inside.n; i--; )
		if (d->inside.items[i]->pid == pid)
			return d->inside.items[i];
	return NULL;
}

static bool wanted(struct signal_door *d, pid_t pid)
{
	if (d->options.follow)
		return true;
	for (size_t i = 0; i < d->expected.n; i++)
		if (d->expected.items[i] == pid)
			return true;
	return false;
}

static bool read_hello(int sock, struct shared_hello *ret)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	return poll(&p, 1, HELLO_MS) == 1 && recv(sock, ret, sizeof(*ret), MSG_DONTWAIT) == (ssize_t)sizeof(*ret) &&
	       ret->magic == SHARED_MAGIC && ret->kind >= HELLO_PROGRAM && ret->kind <= HELLO_INJECTED;
}

static void hand_over(int sock, int fd)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	char byte = 1;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		/* it has given up waiting: it runs without us, and its memory is taken back when it ends */
	}
}

/* After a fork everything lies where it lay in the parent. */
static void inherit(struct signal_door *d, struct signal_process *p)
{
	const struct signal_process *parent = find(d, (pid_t)p->parent);

	if (p->injected || (p->forked && parent && parent->maps >= 0))
		p->maps = openat(p->proc, "maps", O_RDONLY | O_CLOEXEC);
	if (p->forked && parent && parent->shared->config_at)
		signal_process_publish(p, &parent->shared->config[(parent->shared->config_at - 1) & 1]);
}

static void answer(struct signal_door *d, int sock)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	struct shared_hello hello;
	struct signal_process *p;
	uint64_t one = 1;
	bool in;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &size) || who.pid <= 0 || (who.uid != d->options.owner && who.uid != geteuid()) ||
	    !read_hello(sock, &hello))
		return;
	pthread_mutex_lock(&d->mutex);
	in = wanted(d, who.pid);
	pthread_mutex_unlock(&d->mutex);
	if (!in || signal_process_new(&p, who.pid, d->options.sample_hz, d->options.follow))
		return;
	p->forked = hello.kind == HELLO_FORK;
	p->injected = hello.kind == HELLO_INJECTED;
	p->parent = hello.parent;
	signal_process_renew(p, clock_now_ns());
	pthread_mutex_lock(&d->mutex);
	inherit(d, p);
	vec_push(&d->newcomers, p);
	hand_over(sock, p->memfd); /* under the mutex: p may be freed right after it */
	pthread_mutex_unlock(&d->mutex);
	if (write(d->newcomer_fd, &one, sizeof(one)) < 0) {
		/* the counter is full: it is readable anyway */
	}
}

static void renew(struct signal_door *d)
{
	uint64_t now = clock_now_ns();

	pthread_mutex_lock(&d->mutex);
	for (size_t i = 0; i < d->inside.n; i++)
		signal_process_renew(d->inside.items[i], now);
	for (size_t i = 0; i < d->newcomers.n; i++)
		signal_process_renew(d->newcomers.items[i], now);
	pthread_mutex_unlock(&d->mutex);
}

static void *door_main(void *door)
{
	struct signal_door *d = door;
	uint64_t renewed = 0;

	for (;;) {
		struct pollfd p[2] = { { .fd = d->options.listener, .events = POLLIN }, { .fd = d->stop_fd, .events = POLLIN } };

		poll(p, 2, RENEW_MS);
		if (p[1].revents)
			return NULL;
		if (p[0].revents) {
			int sock = accept4(d->options.listener, NULL, NULL, SOCK_CLOEXEC);

			if (sock >= 0) {
				answer(d, sock);
				close(sock);
			}
		}
		if (clock_now_ns() - renewed >= RENEW_MS * NS_PER_MS) {
			renewed = clock_now_ns();
			renew(d);
		}
	}
}

int signal_door_open(struct signal_door **ret, const struct signal_door_options *options)
{
	struct signal_door *d = xcalloc(1, sizeof(*d));

	d->options = *options;
	pthread_mutex_init(&d->mutex, NULL);
	d->newcomer_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->newcomer_fd < 0 || d->stop_fd < 0 || pthread_create(&d->thread, NULL, door_main, d)) {
		int err = errno ? -errno : -EAGAIN;

		close(d->newcomer_fd);
		close(d->stop_fd);
		pthread_mutex_destroy(&d->mutex);
		free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void signal_door_expect(struct signal_door *d, pid_t pid)
{
	pthread_mutex_lock(&d->mutex);
	vec_push(&d->expected, pid);
	pthread_mutex_unlock(&d->mutex);
}

int signal_door_wake_fd(const struct signal_door *d)
{
	return d->newcomer_fd;
}

signal_process_vec *signal_door_processes(struct signal_door *d)
{
	return &d->inside;
}

bool signal_door_take(struct signal_door *d, struct signal_process **ret)
{
	uint64_t n;
	bool any;

	if (read(d->newcomer_fd, &n, sizeof(n)) < 0) {
		/* nobody since the last time, or taken then */
	}
	pthread_mutex_lock(&d->mutex);
	any = d->newcomers.n;
	if (any) {
		*ret = d->newcomers.items[0];
		vec_push(&d->inside, *ret);
		d->newcomers.n--;
		memmove(d->newcomers.items, d->newcomers.items + 1, d->newcomers.n * sizeof(*d->newcomers.items));
	}
	pthread_mutex_unlock(&d->mutex);
	return any;
}

void signal_door_remove(struct signal_door *d, size_t i)
{
	struct signal_process *p = d->inside.items[i];

	pthread_mutex_lock(&d->mutex);
	d->inside.n--;
	memmove(d->inside.items + i, d->inside.items + i + 1, (d->inside.n - i) * sizeof(*d->inside.items));
	pthread_mutex_unlock(&d->mutex);
	signal_process_free(p);
}

const struct signal_process *signal_door_find(struct signal_door *d, pid_t pid)
{
	const struct signal_process *p;

	pthread_mutex_lock(&d->mutex);
	p = find(d, pid);
	pthread_mutex_unlock(&d->mutex);
	return p;
}

bool signal_door_publish(struct signal_door *d, pid_t pid, const struct shared_config *config)
{
	struct signal_process *p;

	pthread_mutex_lock(&d->mutex);
	p = find(d, pid);
	if (p)
		signal_process_publish(p, config);
	pthread_mutex_unlock(&d->mutex);
	return p;
}

void signal_door_close(struct signal_door *d)
{
	uint64_t one = 1;

	if (!d)
		return;
	if (write(d->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(d->thread, NULL);
	while (d->inside.n)
		signal_door_remove(d, d->inside.n - 1);
	for (size_t i = 0; i < d->newcomers.n; i++)
		signal_process_free(d->newcomers.items[i]);
	vec_done(&d->inside);
	vec_done(&d->newcomers);
	vec_done(&d->expected);
	close(d->newcomer_fd);
	close(d->stop_fd);
	pthread_mutex_destroy(&d->mutex);
	free(d);
}
