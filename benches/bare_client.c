/* The floor under imax bench on a machine: a client that takes part in the same conversation and looks at nothing. It sleeps a
 * millisecond, asks epoll, reads each socket once with the kernel's time stamp, delays acknowledgements as imax does, and knows an
 * answer's end by its last five bytes. Prints the CPU time of a read. See docs/reference/accuracy.md.
 *
 *     cc -O2 -o bare_client benches/bare_client.c && ./bare_client PORT STREAMS REQUESTS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 65536, EVENTS = 1024, READS_PER_DELAY = 64 };

static const char BODY[] = "{\"model\":\"demo\",\"prompt\":\"a b c d e f g h i j k l m n o p\",\"max_tokens\":200,\"ignore_eos\":true,"
                           "\"stream\":true,\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}}";
static char request[1024], buffer[65536], control[64];
static int request_length, reads_of[MOST_FILES];

static int connect_to(int port, int epoll) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, file = socket(AF_INET, SOCK_STREAM, 0);
    if (file < 0 || file >= MOST_FILES || connect(file, (void *)&server, sizeof server) < 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(file, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    fcntl(file, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = file};
    epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event);
    return file;
}

static void send_request(int file) {
    if (write(file, request, request_length) != request_length) {
        perror("write");
        exit(1);
    }
}

static ssize_t read_once(int file) {
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(file, &message, 0);
    int off = 0;
    if (length > 0 && reads_of[file]++ % READS_PER_DELAY == 0)
        setsockopt(file, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
    return length;
}

static double microseconds(struct timeval time) { return time.tv_sec * 1e6 + time.tv_usec; }

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: bare_client PORT STREAMS REQUESTS\n");
        return 2;
    }
    int port = atoi(arguments[1]), streams = atoi(arguments[2]), requests = atoi(arguments[3]);
    request_length = sprintf(request, "POST /v1/completions HTTP/1.1\r\nHost: bare\r\nContent-Length: %zu\r\n\r\n%s", strlen(BODY), BODY);
    int epoll = epoll_create1(0), sent = 0, done = 0;
    int *files = calloc(streams, sizeof *files);
    for (int i = 0; i < streams; i++)
        files[i] = connect_to(port, epoll);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (; sent < streams && sent < requests; sent++)
        send_request(files[sent]);
    long reads = 0;
    while (done < requests) {
        struct epoll_event events[EVENTS];
        nanosleep(&(struct timespec){0, 1000000}, 0);
        int found = epoll_wait(epoll, events, EVENTS, 50);
        for (int i = 0; i < found; i++) {
            int file = events[i].data.fd;
            ssize_t length = events[i].events & EPOLLIN ? read_once(file) : 0;
            reads += length > 0;
            if (length < 5 || memcmp(buffer + length - 5, "0\r\n\r\n", 5) != 0)
                continue;
            reads_of[file] = 0;
            done++;
            if (sent < requests) {
                send_request(file);
                sent++;
            }
        }
    }
    getrusage(RUSAGE_SELF, &after);
    double user = microseconds(after.ru_utime) - microseconds(before.ru_utime);
    double system = microseconds(after.ru_stime) - microseconds(before.ru_stime);
    printf("%ld reads, CPU a read %.2f us (user %.2f, system %.2f)\n", reads, (user + system) / reads, user / reads, system / reads);
    return 0;
}
