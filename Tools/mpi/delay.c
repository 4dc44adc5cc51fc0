// Carries Ethernet frames between network interfaces and holds each for a while: what a switch and a long wire do.
//
//   delay MICROSECONDS INTERFACE...
//
// A frame goes to the interface that its receiver last sent from; one for all, or for nobody known, to all others. Linux only;
// needs the right to open raw sockets. Interfaces should have large frames (MTU 65535), so that a core carries 10 Gbit/s.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PORTS = 64, LARGEST_FRAME = 65536 + 64 };

typedef struct frame {
  struct frame *next;
  int64_t due;
  int port;  // that it came in by
  size_t length;
  uint8_t bytes[];
} frame;

static struct pollfd ports[MOST_PORTS];
static uint8_t addresses[MOST_PORTS][ETH_ALEN];
static int port_count;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_port(const char *name) {
  int port = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
  if (port < 0 || bind(port, (struct sockaddr *)&address, sizeof address) != 0) fail(name);
  const int own = 1, room = 64 << 20;
  setsockopt(port, SOL_PACKET, PACKET_IGNORE_OUTGOING, &own, sizeof own);
  setsockopt(port, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(port, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  return port;
}

static void deliver(const frame *sent) {
  int to = -1;
  for (int port = 0; port < port_count; port++)
    if (memcmp(addresses[port], sent->bytes, ETH_ALEN) == 0) to = port;
  for (int port = 0; port < port_count; port++) {
    if (port == sent->port || (to >= 0 && to != port)) continue;
    // One that finds no room is lost, as on a wire; TCP sends it again.
    if (write(ports[port].fd, sent->bytes, sent->length) < 0) continue;
  }
}

int main(int count, char **arguments) {
  prctl(PR_SET_TIMERSLACK, 1);
  const int64_t delay = count > 1 ? atoll(arguments[1]) * 1000 : 0;
  for (; port_count < count - 2 && port_count < MOST_PORTS; port_count++)
    ports[port_count] = (struct pollfd){.fd = open_port(arguments[port_count + 2]), .events = POLLIN};
  frame *first = NULL, **end = &first;
  for (;;) {
    int64_t wait = first ? first->due - now() : 1000000000;
    if (wait < 0) wait = 0;
    if (ppoll(ports, port_count, &(struct timespec){wait / 1000000000, wait % 1000000000}, NULL) < 0) fail("ppoll");
    for (int port = 0; port < port_count; port++) {
      if (!(ports[port].revents & POLLIN)) continue;
      uint8_t bytes[LARGEST_FRAME];
      const ssize_t length = read(ports[port].fd, bytes, sizeof bytes);
      if (length < ETH_HLEN) continue;
      frame *arrived = malloc(sizeof *arrived + length);
      if (!arrived) fail("malloc");
      *arrived = (frame){.due = now() + delay, .port = port, .length = length};
      memcpy(arrived->bytes, bytes, length);
      memcpy(addresses[port], bytes + ETH_ALEN, ETH_ALEN);
      *end = arrived;
      end = &arrived->next;
    }
    while (first && first->due <= now()) {
      frame *sent = first;
      first = sent->next;
      if (!first) end = &first;
      deliver(sent);
      free(sent);
    }
  }
}
